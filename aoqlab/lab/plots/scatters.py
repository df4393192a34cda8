"""One number of a run against another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ._frames import current_axes, require_columns
from ._marks import plain_log_ticks
from .labels import column_label
from .palette import hue_colors


def run_scatter(
    runs: pd.DataFrame,
    *,
    x: str,
    y: str,
    hue: str = "method",
    setting: str | None = None,
    line: bool = False,
    logx: bool = False,
    palette: Mapping[Any, Any] | None = None,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Every run a small point, the mean of every setting a large one; `line` joins the means in order of `x`.

    `runs`: one row per run, columns `x`, `y`, `hue` and `setting` (default: `hue`), which tells apart what is averaged.
    The legend counts runs. Missing columns and values that are not finite raise `ValueError`.
    """
    setting = setting or hue
    require_columns(runs, [x, y, hue, setting], "run_scatter")
    if not np.isfinite(runs[[x, y]].astype(float)).all(axis=None):
        raise ValueError(f"the columns {x!r} and {y!r} must be finite; leave other runs out and say so")
    ax = current_axes(ax)
    for value, (color, name) in hue_colors(runs[hue], palette).items():
        own = runs[runs[hue] == value]
        means = own.groupby(setting)[[x, y]].mean().sort_values(x)
        small = {"color": color, "alpha": 0.35, "markersize": 2.8, "markeredgewidth": 0}
        ax.plot(own[x], own[y], "o", gid=f"seeds-{value}", **small)
        large = {"color": color, "markersize": 5, "markeredgecolor": "white", "markeredgewidth": 0.6, "linewidth": 0.8}
        label = f"{name} (n = {len(own)})"
        ax.plot(means[x], means[y], "o-" if line else "o", label=label, zorder=3, gid=f"mean-{value}", **large)
    if logx:
        ax.set_xscale("log")
        plain_log_ticks(ax.xaxis, *ax.get_xlim())
    ax.set_xlabel(column_label(x))
    ax.set_ylabel(column_label(y))
    if legend:
        ax.legend()
    return ax
