"""LSQ with oscillation dampening."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ...schedule import StageState, cosine_ramp
from .base import Method, activation_quantizer, check_strength, on_grid
from .registry import register

if TYPE_CHECKING:
    from torch import Tensor

    from ...quantizers import Quantizer


@dataclass(frozen=True)
class RampedDampening:
    """:func:`aoqlab.losses.dampening_nagel`, mean per kernel, with a weight that rises from ``begin`` to ``final``."""

    final: float | int
    begin: float | int

    def __post_init__(self) -> None:
        check_strength("dampening", self.final)
        if not 0 <= self.begin < 1:
            raise ValueError(f"begin must be in [0, 1), got {self.begin}")

    def __call__(
        self, latents: list[Tensor], quantizers: list[Quantizer], progress: float, state: StageState | None
    ) -> Tensor | None:
        from ...losses import dampening_nagel

        strength = cosine_ramp(max(0.0, progress - self.begin) / (1 - self.begin), float(self.final))
        factors = [strength * w.shape[0] / w.numel() for w in latents]
        return dampening_nagel(latents, *on_grid(latents, quantizers), factors) if strength else None


@register(label="LSQ + dampening", color="#56B4E9")
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

    return Method(
        weights=partial(LSQ, per_channel=per_channel),
        activations=activation_quantizer(activations),
        regulariser=RampedDampening(dampening, begin),
    )
