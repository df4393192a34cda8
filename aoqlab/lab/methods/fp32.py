"""Full precision."""

from __future__ import annotations

from .base import Method
from .registry import register


@register
def fp32() -> Method:
    """Full precision: no quantizers, the reference for accuracy and speed."""
    return Method("fp32", "")
