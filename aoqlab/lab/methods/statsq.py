"""Statistical weight quantization."""

from __future__ import annotations

from functools import partial

from .base import Method, activation_quantizer
from .registry import register


@register(label="StatsQ", color="#CC79A7")
def statsq(*, per_channel: bool = True, activations: str = "lsq") -> Method:
    """StatsQ: weights scaled by twice their mean size, no learned scale.

    Levels ``2 mean|w| (k + 1/2) / 2^(b-1)`` per output channel; activations: unsigned LSQ. Source: Liu et al., ICML
    2023 (Oscillation-free Quantization); its reparametrised attention and annealing are no part of this method.
    """
    from ...quantizers import StatsQ

    return Method(weights=partial(StatsQ, per_channel=per_channel), activations=activation_quantizer(activations))
