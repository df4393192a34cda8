"""Ratios against a rival in the same run: the two are measured alternately, so that a busy machine slows both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def alternate(
    ours: Callable[[], object], rival: Callable[[], object], *, repeats: int = 15
) -> tuple[float, float, float]:
    """Median seconds of ours and of the rival, and the median of their ratios, after two warm-up calls of each."""
    for _ in range(2):
        ours()
        rival()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        ours()
        middle = time.perf_counter()
        rival()
        times.append((middle - start, time.perf_counter() - middle))
    return (
        statistics.median(t[0] for t in times),
        statistics.median(t[1] for t in times),
        statistics.median(t[0] / t[1] for t in times),
    )


def show(rows: list[tuple[str, str, float, float, float, str]]) -> None:
    """Print the table: what, rival, both times in milliseconds, the ratio, and the goal."""
    print(f"{'what':<52}{'rival':<32}{'ours ms':>10}{'rival ms':>10}{'ratio':>8}  goal")
    for what, rival, ours, other, ratio, goal in rows:
        print(f"{what:<52}{rival:<32}{ours * 1e3:>10.2f}{other * 1e3:>10.2f}{ratio:>8.2f}  {goal}")
