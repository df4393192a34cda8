"""Full precision."""

from __future__ import annotations

from .base import Method
from .registry import register


@register(label="full precision", color="#7A7A7A")
def fp32() -> Method:
    """Full precision: no quantizers, the reference for accuracy and speed."""
    return Method()
