"""Regularisers of the methods: plain sums over layers whose gradients are written down, so that a step stays cheap."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...grids import per_row
from ...losses import dampening_norm, with_gradient
from ...quantizers import Quantizer
from ...schedule import StageState, cosine_ramp


@dataclass(frozen=True)
class StagedDampening:
    """``lambda sum over layers of ||w - c(w)||``, lambda as the schedule says: :func:`aoqlab.losses.dampening_norm`."""

    def __call__(
        self, latents: list[Tensor], quantizers: list[Quantizer], progress: float, state: StageState | None
    ) -> Tensor | None:
        if state is None or not state.dampening:
            return None
        centres = [q.bin_centres(w) for w, q in zip(latents, quantizers, strict=True)]
        return state.dampening * dampening_norm(latents, centres)


@dataclass(frozen=True)
class RampedDampening:
    """``lambda(p) sum over layers of n_out / N ||w_hat - clip(w)||_F^2``, the form of Nagel et al.

    lambda is 0 until progress ``begin``, then rises to ``final`` along half a cosine. n_out / N is one over the number
    of weights per output channel ("kernel mean").
    """

    final: float | int
    begin: float | int

    def __post_init__(self) -> None:
        _check_weight("dampening", self.final)
        if not 0 <= self.begin < 1:
            raise ValueError(f"begin must be in [0, 1), got {self.begin}")

    def __call__(
        self, latents: list[Tensor], quantizers: list[Quantizer], progress: float, state: StageState | None
    ) -> Tensor | None:
        weight = cosine_ramp(max(0.0, progress - self.begin) / (1 - self.begin), float(self.final))
        if not weight:
            return None
        factors = [weight * w.shape[0] / w.numel() for w in latents]
        with torch.no_grad():
            clipped, quantized = _on_grid(latents, quantizers)
            away = torch._foreach_sub(clipped, quantized)
            loss = _weighted_squares(away, factors)
            # Outside the grid w_hat and clip(w) are both the outermost level, so that nothing pulls there.
            slopes = torch._foreach_mul(away, [2 * f for f in factors])
        return with_gradient(loss, latents, slopes)


@dataclass(frozen=True)
class Oscillation:
    """``lambda sum over layers of mean(w_hat^2 - clip(w)^2)``, gradient ``2 lambda / N (w_hat - clip(w))``.

    :func:`aoqlab.losses.oscillation_penalty` of the weights clipped to the outermost levels, whose gradient therefore
    ends there: beyond them no threshold is left to oscillate around.
    """

    lambda_: float | int

    def __post_init__(self) -> None:
        _check_weight("lambda_", self.lambda_)

    def __call__(
        self, latents: list[Tensor], quantizers: list[Quantizer], progress: float, state: StageState | None
    ) -> Tensor | None:
        if not self.lambda_:
            return None
        factors = [self.lambda_ / w.numel() for w in latents]
        with torch.no_grad():
            clipped, quantized = _on_grid(latents, quantizers)
            loss = _weighted_squares(quantized, factors) - _weighted_squares(clipped, factors)
            slopes = torch._foreach_sub(quantized, clipped)
            torch._foreach_mul_(slopes, [2 * f for f in factors])
        return with_gradient(loss, latents, slopes)


def _check_weight(name: str, value: float | int) -> None:
    if not 0 <= value < float("inf"):
        raise ValueError(f"{name} must be finite and not negative, got {value}")


def _on_grid(latents: list[Tensor], quantizers: list[Quantizer]) -> tuple[list[Tensor], list[Tensor]]:
    """Per layer the weights clipped to the outermost levels, and the quantized weights."""
    clipped, quantized = [], []
    for w, q in zip(latents, quantizers, strict=True):
        quantized.append(q(w))
        levels = q.levels().to(w.dtype)
        clipped.append(w.clamp(per_row(levels[..., 0], w), per_row(levels[..., -1], w)))
    return clipped, quantized


def _weighted_squares(tensors: list[Tensor] | tuple[Tensor, ...], factors: list[float]) -> Tensor:
    lengths = torch.stack(torch._foreach_norm(tensors))
    return torch.dot(lengths.square(), lengths.new_tensor(factors))
