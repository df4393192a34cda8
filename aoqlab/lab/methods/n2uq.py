"""Nonuniform-to-uniform quantization."""

from __future__ import annotations

from functools import partial

from .base import Method, activation_quantizer
from .registry import register


@register(label="N2UQ", color="#009E73")
def n2uq(*, per_channel: bool = True) -> Method:
    """N2UQ: learned activation thresholds (LTQ), weights scaled by their mean size.

    Weights: levels ``2 mean|w| (k + 1/2) / 2^(b-1)`` per output channel; activations:
    :class:`aoqlab.quantizers.LTQ`. Source: Liu et al., CVPR 2022. Verified in its published code: the weight quantizer
    has exactly the thresholds and levels of :class:`aoqlab.quantizers.StatsQ`, which is used here; its gradient carries
    a factor ``1 / (mean|w| (2^b - 1) / 2^(b-1))`` per channel, left out here. Also left out: its learned biases and
    PReLU around every layer, which are changes of the network, not of the quantizer.
    """
    from ...quantizers import StatsQ

    return Method(weights=partial(StatsQ, per_channel=per_channel), activations=activation_quantizer("ltq"))
