"""Computations over all weights of a layer, done a little at a time so that a kernel stays free for the hand."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Generic, TypeVar

T = TypeVar("T")
Steps = Generator[int, None, T]
"""Yields how many weights it has just counted, and returns what came out."""


class Work(Generic[T]):
    """Steps that are taken for a while at a time: whoever asks again goes on, whoever does not has stopped them."""

    def __init__(self, steps: Steps[T]) -> None:
        self._steps = steps
        self.counted = 0
        self.found: T | None = None
        """What came out; ``None`` before the end."""

    def advance(self, seconds: float) -> T | None:
        """Take at least one step, and further ones until ``seconds`` are over; the result, once it is there."""
        end = time.monotonic() + seconds
        while self.found is None:
            try:
                self.counted += next(self._steps)
            except StopIteration as last:
                self.found = last.value
            if time.monotonic() > end:
                break
        return self.found


def finished(steps: Steps[T]) -> T:
    """All steps at once."""
    while True:
        try:
            next(steps)
        except StopIteration as last:
            result: T = last.value
            return result
