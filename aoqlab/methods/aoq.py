"""Allowing oscillation quantization."""

from __future__ import annotations

from functools import partial

from ..schedule import ThreeStage
from .activations import activation_quantizer
from .base import Method
from .registry import register


def three_stages(
    *,
    shrink_min: float | int,
    shrink_until: float | int,
    dampen_from: float | int,
    dampening: float | int,
    staircase: int | None,
    per_channel: bool,
    activations: str,
    coupled: bool = False,
) -> Method:
    """AOQ with every part of it open to change."""
    from ..quantizers import AOQ
    from .regularisers import StagedDampening

    return Method(
        "aoq",
        "",
        weights=partial(AOQ, per_channel=per_channel, coupled=coupled),
        activations=activation_quantizer(activations),
        schedule=ThreeStage(float(shrink_until), float(dampen_from), float(shrink_min), float(dampening), staircase),
        regulariser=StagedDampening() if dampening else None,
    )


@register
def aoq(
    *,
    shrink_min: float | int = 0.3,
    shrink_until: float | int = 0.2,
    dampen_from: float | int = 0.6,
    dampening: float | int = 0.01,
    staircase: int | None = None,
    per_channel: bool = False,
    activations: str = "ltq",
) -> Method:
    """AOQ: thresholds and levels decoupled; shrink, widen, dampen.

    Intervals start at ``sigma / 2^(b-2)``; thresholds ``alpha s_th k``, levels ``alpha s_le (k + 1/2)``. Until
    ``shrink_until`` alpha falls from 1 to ``shrink_min``; then s_le learns; from ``dampen_from`` on the loss has
    ``dampening * sum over layers of ||w - alpha s_th (k + 1/2)||``. Activations: LTQ. Source: Xie et al., ICCV 2025;
    defaults as published, except that alpha moves at every step: the published staircase over 250 epochs is
    ``staircase=50``.
    """
    return three_stages(
        shrink_min=shrink_min,
        shrink_until=shrink_until,
        dampen_from=dampen_from,
        dampening=dampening,
        staircase=staircase,
        per_channel=per_channel,
        activations=activations,
    )
