"""LSQ with a penalty that makes weights oscillate."""

from __future__ import annotations

from functools import partial

from .activations import activation_quantizer
from .base import Method
from .registry import register


@register
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
    from .regularisers import Oscillation

    return Method(
        "lsq+oscillate",
        "",
        weights=partial(LSQ, per_channel=per_channel),
        activations=activation_quantizer(activations),
        regulariser=Oscillation(lambda_),
    )
