"""LSQ with iterative weight freezing."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from .base import FreezeSchedule, Method, activation_quantizer
from .registry import register

if TYPE_CHECKING:
    from ...quantizers import Quantizer


def _freezing_lsq(bits: int, per_channel: bool, momentum: float | int) -> Quantizer:
    from ...quantizers import LSQ, Freezing

    return Freezing(LSQ(bits, per_channel=per_channel), float(momentum))


@register(label="LSQ + freezing", color="#332288")
def lsq_plus_freeze(
    *,
    threshold_start: float | int = 0.1,
    threshold_end: float | int = 0.01,
    begin: float | int = 0.25,
    momentum: float | int = 0.01,
    per_channel: bool = False,
    activations: str = "lsq",
) -> Method:
    """LSQ, weights that oscillate often pinned to their mean code.

    A weight whose oscillation frequency (running mean, per step) exceeds a threshold keeps the rounded running mean of
    its code from then on. No freezing until progress ``begin``; then the threshold falls from ``threshold_start`` to
    ``threshold_end`` along half a cosine. Source: Nagel et al., ICML 2022, section 4.2. Verified in its published code:
    0.1 to 0.01 (MobileNetV2, 4 bits; 0.011 at 3 bits), from 25% of training on. ``momentum`` of the mean code: 0.01 as
    in the paper, where the code's own default is 0.001; the tracker's frequencies use 0.01 too.
    """
    return Method(
        weights=partial(_freezing_lsq, per_channel=per_channel, momentum=momentum),
        activations=activation_quantizer(activations),
        freezing=FreezeSchedule(threshold_start, threshold_end, begin),
    )
