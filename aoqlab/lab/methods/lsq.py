"""Learned step size quantization."""

from __future__ import annotations

from functools import partial

from .base import Method, activation_quantizer
from .registry import register


@register(label="LSQ", color="#0072B2")
def lsq(*, per_channel: bool = False, activations: str = "lsq") -> Method:
    """Learned step size: one step per layer for thresholds and levels.

    ``w_hat = s clip(round(w / s), -2^(b-1), 2^(b-1) - 1)`` with learned s, and the same, unsigned, for activations
    (``activations="ltq"`` takes AOQ's instead, so that only the weights differ). Source: Esser et al., ICLR
    2020. The paper uses SGD with one learning rate; the factor 0.1 for activation quantizers is that of AOQ's recipe,
    the same for all methods here.
    """
    from ...quantizers import LSQ

    return Method(weights=partial(LSQ, per_channel=per_channel), activations=activation_quantizer(activations))
