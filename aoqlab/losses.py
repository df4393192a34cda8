"""Losses of quantization-aware training. They take tensors, never quantizers: any method can use any of them."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional as F

from .grids import per_row


def dampening_norm(weights: Iterable[Tensor], bin_centres: Iterable[Tensor]) -> Tensor:
    """AOQ's published dampening: ``sum over layers of ||w - c(w)||_2``, the unsquared norm.

    ``c(w)``, the middle of the bin that w lies in (:meth:`aoqlab.AOQ.bin_centres`), is a constant for the gradient,
    which is ``(w - c) / ||w - c||`` per layer: its length is 1 however small the distance, and 0 at distance 0. Raises
    ``ValueError`` when the two sequences differ in length or two tensors in shape. Source: Xie et al., ICCV 2025, and
    its published code.
    """
    pairs = zip(weights, bin_centres, strict=True)
    terms = [torch.linalg.vector_norm(w - _same_shape(c, w, "bin centres").detach()) for w, c in pairs]
    return torch.stack(terms).sum() if terms else torch.zeros(())


def dampening_nagel(weights: Tensor, quantized: Tensor, lowest: Tensor | float, highest: Tensor | float) -> Tensor:
    """Nagel et al.'s dampening of one layer: ``||w_hat - clip(w, lowest level, highest level)||_F^2``.

    ``w_hat`` is a constant for the gradient, which is ``2 (w - w_hat)`` inside the grid and 0 outside. ``lowest`` and
    ``highest``: numbers or tensors of shape (), or (C,) for weights of shape (C, ...). The weight of this loss is
    ramped with :func:`aoqlab.schedule.cosine_ramp`. Source: Nagel et al., ICML 2022, equation 5.
    """
    low, high = (per_row(torch.as_tensor(b, device=weights.device), weights).to(weights) for b in (lowest, highest))
    return (_same_shape(quantized, weights, "quantized weights").detach() - weights.clamp(low, high)).square().sum()


def _same_shape(x: Tensor, weights: Tensor, what: str) -> Tensor:
    """Raise where two tensors would broadcast instead of matching."""
    if x.shape != weights.shape:
        raise ValueError(f"{what} of shape {tuple(x.shape)} do not fit weights of shape {tuple(weights.shape)}")
    return x


def soft_cross_entropy(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """Distillation: ``-sum_c softmax(teacher)_c log softmax(student)_c``, mean over the batch; logits (N, classes).

    The teacher gets no gradient. Source: the published AOQ recipe.
    """
    if student_logits.shape != teacher_logits.shape:
        raise ValueError(f"logits differ in shape: {tuple(student_logits.shape)} and {tuple(teacher_logits.shape)}")
    target = teacher_logits.detach().softmax(-1)
    return -(target * F.log_softmax(student_logits, -1)).sum(-1).mean()
