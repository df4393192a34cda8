"""Losses of quantization-aware training. They take tensors, never quantizers, so that any method can use any of them."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional as F


def dampening_norm(weights: Iterable[Tensor], bin_centres: Iterable[Tensor]) -> Tensor:
    """AOQ's published dampening: ``sum over layers of ||w - c(w)||_2``, the unsquared norm.

    ``c(w)``, the middle of the bin that w lies in (:meth:`aoqlab.AOQ.bin_centres`), is a constant for the gradient,
    which is ``(w - c) / ||w - c||`` per layer: its length is 1 however small the distance, and 0 at distance 0. Raises
    ``ValueError`` when the two sequences differ in length. Source: Xie et al., ICCV 2025, and its published code.
    """
    terms = [torch.linalg.vector_norm(w - c.detach()) for w, c in zip(weights, bin_centres, strict=True)]
    return torch.stack(terms).sum() if terms else torch.zeros(())


def dampening_nagel(weights: Tensor, quantized: Tensor, lowest: Tensor | float, highest: Tensor | float) -> Tensor:
    """Nagel et al.'s dampening of one layer: ``||w_hat - clip(w, lowest level, highest level)||_F^2``.

    ``w_hat`` is a constant for the gradient, which is ``2 (w - w_hat)`` inside the grid and 0 outside. Its weight is
    ramped with :func:`aoqlab.schedule.cosine_ramp`. Source: Nagel et al., ICML 2022, equation 5.
    """
    return (quantized.detach() - weights.clamp(lowest, highest)).square().sum()


def soft_cross_entropy(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """Distillation: ``-sum_c softmax(teacher)_c log softmax(student)_c``, mean over the batch; logits (N, classes).

    The teacher gets no gradient. Source: the published AOQ recipe.
    """
    if student_logits.shape != teacher_logits.shape:
        raise ValueError(f"logits differ in shape: {tuple(student_logits.shape)} and {tuple(teacher_logits.shape)}")
    target = teacher_logits.detach().softmax(-1)
    return -(target * F.log_softmax(student_logits, -1)).sum(-1).mean()
