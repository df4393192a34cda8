"""AOQ with one part taken away at a time. Each differs from ``aoq`` in that part alone."""

from __future__ import annotations

from .aoq import three_stages
from .base import Method
from .registry import register


@register
def aoq_no_shrink(
    *,
    shrink_until: float | int = 0.2,
    dampen_from: float | int = 0.6,
    dampening: float | int = 0.01,
    per_channel: bool = False,
    activations: str = "ltq",
) -> Method:
    """AOQ without its first stage: intervals never shrink.

    ``shrink_min = 1``, so alpha stays 1; the levels still learn only from ``shrink_until`` on. Source: an ablation of
    Xie et al., ICCV 2025, chosen here.
    """
    return three_stages(
        shrink_min=1.0,
        shrink_until=shrink_until,
        dampen_from=dampen_from,
        dampening=dampening,
        staircase=None,
        per_channel=per_channel,
        activations=activations,
    )


@register
def aoq_no_dampen(
    *,
    shrink_min: float | int = 0.3,
    shrink_until: float | int = 0.2,
    dampen_from: float | int = 0.6,
    staircase: int | None = None,
    per_channel: bool = False,
    activations: str = "ltq",
) -> Method:
    """AOQ without its last stage: nothing dampens the oscillation.

    ``dampening = 0``; from ``dampen_from`` on the stage bears its name but acts as the second. Source: an ablation of
    Xie et al., ICCV 2025, chosen here.
    """
    return three_stages(
        shrink_min=shrink_min,
        shrink_until=shrink_until,
        dampen_from=dampen_from,
        dampening=0.0,
        staircase=staircase,
        per_channel=per_channel,
        activations=activations,
    )


@register
def aoq_coupled(
    *,
    shrink_min: float | int = 0.3,
    shrink_until: float | int = 0.2,
    dampen_from: float | int = 0.6,
    dampening: float | int = 0.01,
    staircase: int | None = None,
    per_channel: bool = False,
    activations: str = "ltq",
) -> Method:
    """AOQ with one interval: the learned one also places the thresholds.

    Thresholds ``alpha s_le k`` follow the learned ``s_le``, with the gradients of ``aoq``. Source: an ablation of Xie
    et al., ICCV 2025, chosen here.
    """
    return three_stages(
        shrink_min=shrink_min,
        shrink_until=shrink_until,
        dampen_from=dampen_from,
        dampening=dampening,
        staircase=staircase,
        per_channel=per_channel,
        activations=activations,
        coupled=True,
    )
