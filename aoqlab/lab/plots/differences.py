"""Differences paired by seed: every seed, the mean with its interval, and the side that a claim predicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, SupportsFloat

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ._frames import current_axes, require_columns
from ._marks import few_ticks
from ._statistics import bootstrap_interval
from .verdicts import verdict_look

_NEUTRAL = "#4D4D4D"


def seed_differences(
    differences: pd.DataFrame,
    *,
    value: str = "difference",
    row: str = "statistic",
    intervals: Mapping[str, tuple[SupportsFloat, SupportsFloat]] | None = None,
    verdicts: Mapping[str, str] | None = None,
    mark: SupportsFloat = 0.0,
    direction: int = 1,
    unit: str = "",
    ax: Axes | None = None,
) -> Axes:
    """One row per comparison (or data set): every seed a point, under them the mean with its 95 % interval.

    `differences`: one row per comparison and seed, columns `value` and `row`; `row` names the lines, in the order in
    which they come. The vertical line is the `mark`; the side of it that the claim predicts (`direction`) is shaded.
    `intervals` (row → (low, high)) replaces the percentile bootstrap of the mean. `verdicts` (row → verdict) gives a
    line its colour and its symbol and word; a line that decides nothing has none and is grey. The number of seeds n
    stands on the right.

    Missing columns, values that are not finite, a direction other than +1 and -1, and a row that `intervals` does not
    have raise `ValueError`.
    """
    require_columns(differences, [value, row], "seed_differences")
    if direction not in (-1, 1):
        raise ValueError(f"direction must be +1 or -1, got {direction}")
    if not np.isfinite(differences[value].astype(float)).all():
        raise ValueError(f"the column {value!r} holds values that are not finite; leave those seeds out and say so")
    ax, at = current_axes(ax), float(mark)
    names = list(differences[row].unique())
    reach = [at]
    for place, name in enumerate(names):
        sample = differences.loc[differences[row] == name, value].to_numpy(dtype=np.float64)
        if intervals is not None and name not in intervals:
            raise ValueError(f"intervals has none for {name!r}; it knows {list(intervals)}")
        low, high = bootstrap_interval(sample) if intervals is None else map(float, intervals[name])
        look = verdict_look(verdicts[name]) if verdicts and name in verdicts else None
        color = look.color if look else _NEUTRAL
        # Spread in the order of the seeds, not at random: the same data give the same picture.
        spread = np.linspace(-0.11, 0.11, len(sample)) if len(sample) > 1 else np.zeros(1)
        dots: dict[str, Any] = {"color": color, "alpha": 0.6, "markersize": 4, "markeredgewidth": 0}
        ax.plot(sample, place - 0.16 + spread, "o", gid=f"seeds-{name}", zorder=3, **dots)
        ax.plot([low, high], [place + 0.22] * 2, color=color, linewidth=1.8, gid=f"interval-{name}", zorder=3)
        diamond: dict[str, Any] = {"color": color, "markersize": 6, "markeredgecolor": "white", "markeredgewidth": 0.8}
        ax.plot(sample.mean(), place + 0.22, "D", gid=f"mean-{name}", zorder=4, **diamond)
        reach += [*sample, *(end for end in (low, high) if np.isfinite(end))]
        word = f"{look.symbol} {verdicts[name]}, n = {len(sample)}" if look and verdicts else f"n = {len(sample)}"
        ax.annotate(
            word,
            (1, place),
            xycoords=ax.get_yaxis_transform(),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=6.5,
            color=color,
            gid=f"word-{name}",
        )
    margin = 0.06 * ((max(reach) - min(reach)) or abs(at) or 1.0)
    left, right = min(reach) - margin, max(reach) + margin
    claimed = (at, right) if direction == 1 else (left, at)
    ax.axvspan(*claimed, color="#EFEADB", linewidth=0, zorder=0, gid="claimed")
    ax.axvline(at, color="#1A1A1A", linewidth=0.9, zorder=2, gid="mark")
    ax.set_xlim(left, right)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_yticks(range(len(names)), names)
    few_ticks(ax.xaxis)
    ax.grid(False, axis="y")
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel(unit)
    return ax
