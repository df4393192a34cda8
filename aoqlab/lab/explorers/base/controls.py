"""Controls of an explorer as Python sees them: their values in the state, and their description for the browser."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_NUMBERS = (int, float, np.number)


@dataclass(frozen=True)
class Slider:
    """Stops to slide over; the state holds the index of one. ``shown`` makes the text next to it.

    With ``play`` (milliseconds per stop) it gets the buttons Play and Step (``step`` stops).
    """

    name: str
    label: str
    values: Sequence[Any]
    shown: Callable[[Any], str] = str
    start: int = 0
    play: int | None = None
    step: int = 1

    def __post_init__(self) -> None:
        if not len(self.values) or not 0 <= self.start < len(self.values):
            raise ValueError(
                f"{self.name} needs stops and an index among them, got {len(self.values)} and {self.start}"
            )

    def spec(self) -> dict[str, Any]:
        texts = [self.shown(value) for value in self.values]
        plain = [value.item() if isinstance(value, np.generic) else value for value in self.values]
        own = {"kind": "slider", "name": self.name, "label": self.label, "values": plain, "shown": texts}
        return own | ({} if self.play is None else {"play": self.play, "step": self.step})

    def checked(self, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < len(self.values):
            raise ValueError(f"{self.name} must be a whole number from 0 to {len(self.values) - 1}, got {value!r}")
        return value

    def meant(self, value: Any) -> int:
        """Return the index of a stop from its value; of numbers the nearest one; of other stops also from its index."""
        if isinstance(value, _NUMBERS) and not isinstance(value, bool):
            if all(isinstance(stop, _NUMBERS) for stop in self.values):
                return int(np.argmin([abs(float(stop) - float(value)) for stop in self.values]))
            return self.checked(value)
        if value not in self.values:
            raise ValueError(f"{self.name} has the stops {[self.shown(stop) for stop in self.values]}, got {value!r}")
        return list(self.values).index(value)


@dataclass(frozen=True)
class Menu:
    """One of several texts; the state holds its key. ``options``: key → text; the first one is the default start."""

    name: str
    label: str
    options: Mapping[str, str]
    start: str = ""

    def __post_init__(self) -> None:
        if not self.start:
            object.__setattr__(self, "start", next(iter(self.options)))

    def spec(self) -> dict[str, Any]:
        return {"kind": "menu", "name": self.name, "label": self.label, "options": list(self.options.items())}

    def checked(self, value: Any) -> str:
        if value not in self.options:
            raise ValueError(f"{self.name} must be one of {list(self.options)}, got {value!r}")
        return str(value)

    meant = checked


@dataclass(frozen=True)
class Check:
    """A box to tick; the state holds a bool."""

    name: str
    label: str
    start: bool = False

    def spec(self) -> dict[str, Any]:
        return {"kind": "check", "name": self.name, "label": self.label}

    def checked(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError(f"{self.name} must be true or false, got {value!r}")
        return value

    meant = checked


Control = Slider | Menu | Check


def packed(values: Any, dtype: str = "float32") -> bytes:
    """Return an array as bytes (little-endian) for the browser's typed arrays: ``floats``, ``doubles`` read them."""
    return np.ascontiguousarray(values, dtype=np.dtype(dtype).newbyteorder("<")).tobytes()


def portable(value: bytes) -> dict[str, str]:
    """Return bytes as base64, for JSON that the browser reads."""
    return {"base64": base64.b64encode(value).decode()}
