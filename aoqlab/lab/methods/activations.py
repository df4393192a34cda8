"""The activation quantizers that a method may choose between."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...quantizers import Quantizer


def activation_quantizer(kind: str) -> Callable[[int], Quantizer] | None:
    """Return the maker of the prototype: ``"ltq"`` (N2UQ), ``"lsq"`` (unsigned LSQ) or ``"none"`` (full precision).

    Layers whose inputs can be negative get a shifted or signed form of it when a model is quantized. Raises
    ``ValueError`` for anything else.
    """
    from ...quantizers import LSQ, LTQ

    makers: dict[str, Callable[[int], Quantizer] | None] = {
        "ltq": LTQ,
        "lsq": partial(LSQ, signed=False, batched=True),
        "none": None,
    }
    if kind not in makers:
        raise ValueError(f"activations must be one of {', '.join(makers)}, got {kind!r}")
    return makers[kind]
