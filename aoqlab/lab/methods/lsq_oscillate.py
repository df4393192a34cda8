"""LSQ with a penalty that makes weights oscillate."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from .base import Method, activation_quantizer, check_strength, on_grid
from .registry import register

if TYPE_CHECKING:
    from torch import Tensor

    from ...quantizers import Quantizer
    from ...schedule import StageState


@dataclass(frozen=True)
class Oscillation:
    """:func:`aoqlab.losses.oscillation_penalty` of weights clipped to the outermost levels, mean over each layer."""

    lambda_: float | int

    def __post_init__(self) -> None:
        check_strength("lambda_", self.lambda_)

    def __call__(
        self, latents: list[Tensor], quantizers: list[Quantizer], progress: float, state: StageState | None
    ) -> Tensor | None:
        from ...losses import oscillation_penalty

        factors = [self.lambda_ / w.numel() for w in latents]
        return oscillation_penalty(latents, *on_grid(latents, quantizers), factors) if self.lambda_ else None


@register(label="LSQ + oscillation", color="#E69F00")
def lsq_plus_oscillate(*, lambda_: float | int = 1.0, per_channel: bool = False, activations: str = "lsq") -> Method:
    """LSQ, weights pushed away from their level to the thresholds.

    Loss + ``lambda sum over layers of mean(w_hat^2 - w^2)``, gradient ``2 lambda / N (w_hat - w)``, w_hat being
    straight-through. Source: Wenshøj, Pepin, Selvan, 2025 (arXiv 2502.00490). Verified in its published code: the mean
    over each layer, summed over layers, lambda 1 by default and 14 in its 2-bit example.

    Chosen here: the penalty is added to LSQ training (the paper trains full-precision weights with it and quantizes
    afterwards, the largest weight being the outermost level), and weights beyond the outermost level, which the paper
    does not have, are not pushed on.
    """
    from ...quantizers import LSQ

    return Method(
        weights=partial(LSQ, per_channel=per_channel),
        activations=activation_quantizer(activations),
        regulariser=Oscillation(lambda_),
    )
