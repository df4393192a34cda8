"""Losses of quantization-aware training. They take tensors, never quantizers: any method can use any of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from .arguments import check_instance
from .grids import check_tensor, per_row


class _WithGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, loss: Tensor, *weights_and_slopes: Tensor) -> Tensor:
        ctx.save_for_backward(*weights_and_slopes[len(weights_and_slopes) // 2 :])
        return loss.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        slopes = ctx.saved_tensors
        return None, *torch._foreach_mul(slopes, grad.to(slopes[0].dtype)), *(None for _ in slopes)


def with_gradient(loss: Tensor, weights: Sequence[Tensor], slopes: Sequence[Tensor]) -> Tensor:
    """Return ``loss`` with the given gradients: ``d loss / d weights[i] = slopes[i]``, in one node of the graph.

    For losses over many layers whose gradient has a closed form: an operation per layer recorded by autograd costs
    more than the arithmetic. loss: shape (); weights and slopes: as many tensors, of pairwise equal shape.
    """
    return _WithGradient.apply(loss, *weights, *slopes)


def dampening_norm(weights: Iterable[Tensor], bin_centres: Iterable[Tensor]) -> Tensor:
    """Return AOQ's published dampening: ``sum over layers of ||w - c(w)||_2``, the unsquared norm.

    ``c(w)``, the middle of the bin that w is in (:meth:`aoqlab.AOQ.bin_centres`), is a constant for the gradient,
    which is ``(w - c) / ||w - c||`` per layer: its length is 1 however small the distance, and 0 at distance 0. Raises
    ``ValueError`` when the two sequences differ in length or two tensors in shape. Source: Xie et al., ICCV 2025, and
    its published code.
    """
    for name, layers in (("weights", weights), ("bin_centres", bin_centres)):
        check_instance(name, layers, Iterable, "the tensors of all layers, one each")
    pairs = [(w, _same_shape(c, w, "bin centres")) for w, c in zip(weights, bin_centres, strict=True)]
    if not pairs:
        return torch.zeros(())
    layers, centres = zip(*pairs, strict=True)
    with torch.no_grad():
        away = torch._foreach_sub(layers, centres)
        lengths = torch.stack(torch._foreach_norm(away))
        inverse = torch.where(lengths > 0, 1 / lengths, 0.0)
        slopes = torch._foreach_mul(away, inverse.unbind())
    return with_gradient(lengths.sum(), layers, slopes)


Layers = Tensor | Sequence[Tensor]
"""The tensor of one layer, or the tensors of several."""
Bounds = Layers | float
Factors = Sequence[float] | float


def dampening_nagel(
    weights: Layers,
    quantized: Layers,
    lowest: Bounds,
    highest: Bounds,
    factors: Factors = 1.0,
) -> Tensor:
    """Return Nagel et al.'s dampening: ``sum over layers of f ||w_hat - clip(w, lowest level, highest level)||_F^2``.

    ``w_hat`` is a constant for the gradient, which is ``2 f (w - w_hat)`` inside the grid and 0 outside. ``lowest`` and
    ``highest``: numbers or tensors of shape (), or (C,) for weights of shape (C, ...); ``factors``: f of every layer.
    The weight of this loss is ramped with :func:`aoqlab.schedule.cosine_ramp`. Source: Nagel et al., ICML 2022,
    equation 5. Their published code takes f = 1 / (weights per output channel).
    """
    layers, hats, clipped, scales = _clipped(weights, quantized, lowest, highest, factors)
    with torch.no_grad():
        away = torch._foreach_sub(clipped, hats)
        loss = _weighted_squares(away, scales)
        torch._foreach_mul_(away, [2 * f for f in scales])
        slopes = [torch.where(c == w, a, 0.0) for w, c, a in zip(layers, clipped, away, strict=True)]
    return with_gradient(loss, layers, slopes)


def oscillation_penalty(
    weights: Layers,
    quantized: Layers,
    lowest: Bounds = -math.inf,
    highest: Bounds = math.inf,
    factors: Factors = 1.0,
) -> Tensor:
    """Return Wenshøj et al.'s loss that makes weights oscillate: ``sum over layers of f sum(w_hat^2 - w^2)``.

    It is not bounded below. ``w_hat`` is straight-through (``d w_hat / d w = 1``), so that the gradient is
    ``2 f (w_hat - w)``: descent drives every weight away from its level, to the threshold and over it. With levels 0
    and 1 and f = 1::

        w                   -0.1   0.4   0.6
        w_hat                0     0     1
        loss                -0.01 -0.16  0.64
        d loss / d w         0.2  -0.8   0.8

    A weight beyond the outermost level is driven further out, unless ``lowest`` and ``highest`` level (arguments as in
    :func:`dampening_nagel`) are given: then ``clip(w)`` takes the place of w, and nothing drives it there. Source:
    Wenshøj, Pepin, Selvan, arXiv 2502.00490. Their published code takes f = 1 / (weights of the layer).
    """
    layers, hats, clipped, scales = _clipped(weights, quantized, lowest, highest, factors)
    with torch.no_grad():
        loss = _weighted_squares(hats, scales) - _weighted_squares(clipped, scales)
        slopes = torch._foreach_sub(hats, clipped)
        torch._foreach_mul_(slopes, [2 * f for f in scales])
    return with_gradient(loss, layers, slopes)


@torch.no_grad()
def _clipped(
    weights: Layers, quantized: Layers, lowest: Bounds, highest: Bounds, factors: Factors
) -> tuple[list[Tensor], list[Tensor], list[Tensor], list[float]]:
    """Return per layer the weights, the quantized weights, the weights clipped to the outermost levels, the factor."""
    layers = [weights] if isinstance(weights, Tensor) else list(weights)
    hats, low, high, scales = (_each(value, len(layers)) for value in (quantized, lowest, highest, factors))
    hats = [_same_shape(q, w, "quantized weights") for q, w in zip(hats, layers, strict=True)]
    clipped = [w.clamp(_bound(a, w), _bound(b, w)) for w, a, b in zip(layers, low, high, strict=True)]
    return layers, hats, clipped, scales


def _each(value: Any, count: int) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value] * count


def _bound(value: Tensor | float, weights: Tensor) -> Tensor:
    return per_row(torch.as_tensor(value, device=weights.device), weights).to(weights)


def _weighted_squares(tensors: Sequence[Tensor], factors: Sequence[float]) -> Tensor:
    lengths = torch.stack(torch._foreach_norm(list(tensors)))
    return torch.dot(lengths.square(), lengths.new_tensor(factors))


def _same_shape(x: Tensor, weights: Tensor, what: str) -> Tensor:
    """Raise where two tensors would broadcast instead of matching."""
    check_tensor(weights, "weights")
    if check_tensor(x, what).shape != weights.shape:
        raise ValueError(f"{what} of shape {tuple(x.shape)} do not fit weights of shape {tuple(weights.shape)}")
    return x


def soft_cross_entropy(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """Return the loss of distillation, ``-sum_c softmax(teacher)_c log softmax(student)_c``, mean over the batch.

    Logits: (N, classes). The teacher gets no gradient. Source: the published AOQ recipe.
    """
    for name, logits in (("student_logits", student_logits), ("teacher_logits", teacher_logits)):
        check_tensor(logits, name)
    if student_logits.shape != teacher_logits.shape:
        raise ValueError(f"logits differ in shape: {tuple(student_logits.shape)} and {tuple(teacher_logits.shape)}")
    target = teacher_logits.detach().softmax(-1)
    return -(target * F.log_softmax(student_logits, -1)).sum(-1).mean()
