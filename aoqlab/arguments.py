"""Checks of arguments, one for each kind: each returns the value or says what it must be, and what it is."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, TypeVar

T = TypeVar("T")
MIN_BITS, MAX_BITS = 2, 8
MOST = 10**9


def check_bits(bits: int) -> int:
    """Return ``bits`` if it is an integer from 2 to 8, otherwise raise ``ValueError``."""
    if isinstance(bits, bool) or not isinstance(bits, int) or not MIN_BITS <= bits <= MAX_BITS:
        raise ValueError(f"bits must be an integer from {MIN_BITS} to {MAX_BITS}, got {bits!r}")
    return bits


def check_flag(name: str, value: bool) -> bool:
    """Return ``value`` if it is a bool, otherwise raise ``TypeError``: any other word would count as true."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return value


def check_count(name: str, value: Any, least: int = 1, most: int = MOST, also: str = "") -> int:
    """Return ``value`` if it is a whole number from ``least`` to ``most``, otherwise raise ``ValueError``.

    ``also``: what else the caller takes, for the message, such as ", or None".
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
        raise ValueError(f"{name} must be a whole number of at least {least}{also}, got {value!r}")
    if int(value) > most:
        raise ValueError(f"{name} must be a whole number of at most {most}{also}, got {value!r}")
    return int(value)


def check_number(name: str, value: Any, interval: str = "[0, 1]") -> float:
    """Return ``value`` if it is a real number in ``interval``, otherwise raise ``ValueError``.

    ``interval`` as mathematics writes it, such as "(0, 1]" or "[0, inf)".
    """
    low, high = (float(end) for end in interval[1:-1].split(","))
    real = isinstance(value, Real) and not isinstance(value, bool)  # NaN fails every comparison
    above = real and (value > low if interval[0] == "(" else value >= low)
    if not above or not (value < high if interval[-1] == ")" else value <= high):
        raise ValueError(f"{name} must be in {interval}, got {value!r}")
    return float(value)


def check_instance(name: str, value: T, kind: type | tuple[type, ...], what: str) -> T:
    """Return ``value`` if it is an object of ``kind``, otherwise raise ``TypeError``: it must be ``what``."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be {what}, got {described(value)}")
    return value


def described(value: Any) -> str:
    """Return how a message speaks of a value of a wrong type: short values are written out, others named by type."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    shown = repr(value)
    return shown if len(shown) < 40 and "\n" not in shown else f"an object of type {type(value).__name__}"
