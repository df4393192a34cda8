"""LSQ with oscillation dampening."""

from __future__ import annotations

from functools import partial

from .activations import activation_quantizer
from .base import Method
from .registry import register


@register
def lsq_plus_dampen(
    *, dampening: float | int = 0.1, begin: float | int = 0.25, per_channel: bool = False, activations: str = "lsq"
) -> Method:
    """LSQ, weights pulled to their level with growing strength.

    Loss + ``lambda(p) sum over layers of n_out / N ||w_hat - clip(w, lowest, highest level)||_F^2``: lambda is 0 until
    progress ``begin`` and rises from there to ``dampening`` along half a cosine; N weights, n_out output channels.
    Source: Nagel et al., ICML 2022, equation 5. Verified in its published code: 0 to 0.1 along a cosine from 25% of
    training on, and the mean per kernel as default, where the paper writes the plain Frobenius norm.
    """
    from ...quantizers import LSQ
    from .regularisers import RampedDampening

    return Method(
        "lsq+dampen",
        "",
        weights=partial(LSQ, per_channel=per_channel),
        activations=activation_quantizer(activations),
        regulariser=RampedDampening(dampening, begin),
    )
