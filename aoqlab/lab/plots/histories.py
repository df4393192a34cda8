"""What happened during training: any measure over time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from .labels import is_share, label_axes
from .marks import Stages, draw_legend, draw_stages, make_log
from .palette import hue_colors, hued
from .tables import require_columns


def crossings_over_time(
    history: pd.DataFrame,
    *,
    x: str = "step",
    y: str = "crossings",
    hue: str = "method",
    unit: str | None = None,
    seeds: bool = True,
    stages: Stages | None = None,
    logy: bool = False,
    palette: Mapping[Any, Any] | None = None,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draw any number of the training history over time: every run as a thin line, and their mean in bold.

    `history`: one row per run and step, columns `x`, `y`, `hue` and `unit`, the column that tells runs of
    one hue apart ("run" where there is one, otherwise "seed"). `seeds=False` draws the mean alone. `stages`,
    (start, end, name) in units of `x`, are shaded and named on top. `logy` makes the scale logarithmic.

    Missing columns, and more than one row for a run and step (two layers, say: choose one first), raise
    `ValueError`.
    """
    require_columns(history, [x, y, hue], "crossings_over_time")
    run = unit or next((name for name in ("run", "seed") if name in history.columns), None)
    if run is None:
        raise ValueError('crossings_over_time needs a column "run" or "seed", or its name as unit')
    require_columns(history, [run], "crossings_over_time")
    if history.duplicated([hue, run, x]).any():
        raise ValueError(f"history has several rows for one {hue}, {run} and {x}; select or average first")
    ax = plt.gca() if ax is None else ax
    # seaborn averages in the units of the axis: on a logarithmic one the mean would be the geometric mean.
    ax.set_yscale("linear")
    draw_stages(ax, stages)
    frame, hues = hued(history, hue, palette, count=run)
    shared: dict[str, Any] = {"x": x, "y": y, **hues, "ax": ax}
    if seeds:
        thin: dict[str, Any] = {"linewidth": 0.6, "alpha": 0.4, "zorder": 2.1}
        sns.lineplot(frame, units=run, estimator=None, legend=False, **thin, **shared)
    before = len(ax.lines)
    sns.lineplot(frame, errorbar=None, zorder=3, legend="full", **shared)
    for line, value in zip(ax.lines[before:], hue_colors(history[hue], palette), strict=False):
        line.set_gid(f"mean-{value}")
    ax.margins(x=0)
    label_axes(ax, x, y)
    if stages and not is_share(y):
        # A common power of ten would be where the name of the first stage is.
        ax.ticklabel_format(axis="y", style="plain", useOffset=False)
    if logy:
        make_log(ax, "y")
    draw_legend(ax, hue, legend)
    return ax
