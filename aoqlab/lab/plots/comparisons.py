"""Methods side by side."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any, SupportsFloat

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ._frames import current_axes, require_columns
from ._marks import plain_log_ticks
from ._statistics import bootstrap_interval
from .labels import column_label
from .palette import hue_colors


def method_comparison(
    runs: pd.DataFrame,
    *,
    value: str,
    hue: str = "method",
    intervals: Mapping[Any, tuple[SupportsFloat, SupportsFloat]] | None = None,
    palette: Mapping[Any, Any] | None = None,
    logy: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """One column per method: every run a point, beside it the mean with its 95 % bootstrap interval.

    `runs`: one row per run (seed), columns `value` and `hue`. `intervals` (method → (low, high)) replaces
    the percentile bootstrap of the mean (10,000 resamples, fixed seed) that is drawn otherwise; a method
    with one run has none. The number of runs n stands under each name. Missing columns, values that are not
    finite, and a method without an interval in `intervals` raise `ValueError`.
    """
    require_columns(runs, [value, hue], "method_comparison")
    if not np.isfinite(runs[value].astype(float)).all():
        raise ValueError(f"the column {value!r} holds values that are not finite; leave those runs out and say so")
    ax = current_axes(ax)
    names = []
    for place, (method, (color, name)) in enumerate(hue_colors(runs[hue], palette).items()):
        sample = runs.loc[runs[hue] == method, value].to_numpy(dtype=np.float64)
        if intervals is not None and method not in intervals:
            raise ValueError(f"intervals has none for {method!r}; it knows {list(intervals)}")
        low, high = bootstrap_interval(sample) if intervals is None else map(float, intervals[method])
        mean = float(sample.mean())
        # Spread in the order of the runs, not at random: the same data give the same picture.
        spread = np.linspace(-0.13, 0.13, len(sample)) if len(sample) > 1 else np.zeros(1)
        ax.plot(
            place - 0.12 + spread,
            sample,
            "o",
            color=color,
            alpha=0.55,
            markersize=3.6,
            markeredgewidth=0,
            gid=f"seeds-{method}",
        )
        ax.plot(
            [place + 0.2] * 2,
            [low, high],
            "_-",
            color=color,
            linewidth=1.4,
            markersize=6,
            markeredgewidth=1.4,
            gid=f"interval-{method}",
        )
        ax.plot(
            place + 0.2,
            mean,
            "D",
            color=color,
            markersize=4.8,
            markeredgecolor="white",
            markeredgewidth=0.7,
            zorder=3,
            gid=f"mean-{method}",
        )
        lines = name.replace(" + ", "\n+ ").replace(", ", ",\n").split("\n")
        wrapped = "\n".join(textwrap.fill(line, 13, break_long_words=False) for line in lines)
        names.append(f"{wrapped}\nn = {len(sample)}")
    ax.set_xticks(range(len(names)), names)
    ax.set_xlim(-0.55, len(names) - 0.45)
    ax.grid(False, axis="x")
    ax.tick_params(axis="x", length=0)
    if logy:
        ax.set_yscale("log")
        plain_log_ticks(ax.yaxis, *ax.get_ylim())
    ax.set_ylabel(column_label(value))
    ax.set_title("mean, 95 % bootstrap interval", loc="right", fontsize=7, color="#6B6B6B")
    return ax
