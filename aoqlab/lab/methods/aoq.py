"""Allowing oscillation quantization."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ...schedule import StageState, ThreeStage
from .base import Method, activation_quantizer
from .registry import register

if TYPE_CHECKING:
    from torch import Tensor

    from ...quantizers import Quantizer


@dataclass(frozen=True)
class StagedDampening:
    """``lambda sum over layers of ||w - c(w)||``, lambda as the schedule says: :func:`aoqlab.losses.dampening_norm`."""

    def __call__(
        self, latents: list[Tensor], quantizers: list[Quantizer], progress: float, state: StageState | None
    ) -> Tensor | None:
        from ...losses import dampening_norm

        if state is None or not state.dampening:
            return None
        centres = [q.bin_centres(w) for w, q in zip(latents, quantizers, strict=True)]
        return state.dampening * dampening_norm(latents, centres)


@register(label="AOQ", color="#D55E00")
def aoq(
    *,
    shrink_min: float | int = 0.3,
    shrink_until: float | int = 0.2,
    dampen_from: float | int = 0.6,
    dampening: float | int = 0.01,
    staircase: int | None = None,
    levels_learn: bool = True,
    perturbation: float | int = 0.0,
    per_channel: bool = False,
    activations: str = "ltq",
) -> Method:
    """AOQ: thresholds and levels decoupled; shrink, widen, dampen.

    Intervals start at ``sigma / 2^(b-2)``; thresholds ``alpha s_th k``, levels ``alpha s_le (k + 1/2)``. Until
    ``shrink_until`` alpha falls from 1 to ``shrink_min``; then s_le learns; from ``dampen_from`` on the loss has
    ``dampening * sum over layers of ||w - alpha s_th (k + 1/2)||``. Activations: LTQ. Source: Xie et al., ICCV 2025;
    defaults as published, except that alpha moves at every step: the published staircase over 250 epochs is
    ``staircase=50``. Two controls are not published: ``levels_learn=False`` holds s_le for the whole training, and
    ``perturbation`` adds Gaussian noise of that many threshold intervals to the weights after each step until
    ``shrink_until``.
    """
    from ...quantizers import AOQ

    return Method(
        weights=partial(AOQ, per_channel=per_channel),
        activations=activation_quantizer(activations),
        schedule=ThreeStage(
            shrink_until=float(shrink_until),
            dampen_from=float(dampen_from),
            shrink_min=float(shrink_min),
            dampening=float(dampening),
            staircase=staircase,
            levels_learn=levels_learn,
            perturbation=float(perturbation),
        ),
        regulariser=StagedDampening() if dampening else None,
    )
