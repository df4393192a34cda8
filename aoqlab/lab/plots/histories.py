"""What happened during training: any measure, and level shares, over time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from .labels import column_label, format_number, is_share, label_axis
from .marks import Stages, draw_legend, draw_stages, log_ticks
from .palette import LEVEL_CMAP, hue_colors, hued, level_colors
from .tables import require_columns


def crossings_over_time(
    history: pd.DataFrame,
    *,
    x: str = "step",
    y: str = "crossings",
    hue: str = "method",
    unit: str | None = None,
    seeds: bool = True,
    errorbar: str | tuple[str, float | int] | Callable[[pd.Series], tuple[float, float]] | None = None,
    stages: Stages | None = None,
    logy: bool = False,
    palette: Mapping[Any, Any] | None = None,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draw any number of the training history over time: every run as a thin line, and their mean in bold.

    `history`: one row per run and step, columns `x`, `y`, `hue` and `unit`, the column that tells runs of
    one hue apart ("run" where there is one, otherwise "seed"). `seeds=False` draws the mean alone; `errorbar`
    adds a band around it, as in `seaborn.lineplot`: ("pi", 100) from the least to the greatest run, "sd"
    one standard deviation either way. `stages`, (start, end, name) in units of `x`, are shaded and named on
    top. `logy` makes the scale logarithmic.

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
    sns.lineplot(frame, errorbar=errorbar, err_kws={"linewidth": 0}, zorder=3, legend="full", **shared)
    for line, value in zip(ax.lines[before:], hue_colors(history[hue], palette), strict=False):
        line.set_gid(f"mean-{value}")
    ax.margins(x=0)
    label_axis(ax.xaxis, x)
    label_axis(ax.yaxis, y)
    if stages and not is_share(y):
        # A common power of ten would be where the name of the first stage is.
        ax.ticklabel_format(axis="y", style="plain", useOffset=False)
    if logy:
        ax.set_yscale("log")
        log_ticks(ax.yaxis, *ax.get_ylim())
    draw_legend(ax, hue, legend)
    return ax


def level_histogram_over_time(
    levels: pd.DataFrame,
    *,
    x: str = "step",
    level: str = "level",
    share: str = "share",
    stages: Stages | None = None,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draw how the weights are shared out among the levels over time: a stacked area per level, lowest first.

    `levels`: one row per step and level, columns `x`, `level` (value or code) and `share` (0 to 1; a level
    without a row has none). More than 16 levels are named by a colour bar instead of a legend. `stages` as
    in `crossings_over_time`. Several rows for a step and level, negative shares, and shares that do not add
    up to one at every step raise `ValueError`.
    """
    require_columns(levels, [x, level, share], "level_histogram_over_time")
    if levels.duplicated([x, level]).any():
        raise ValueError(f"levels has several rows for one {x} and {level}; select one run and layer first")
    table = levels.pivot(index=x, columns=level, values=share).astype(float).fillna(0.0).sort_index(axis=1)
    if (table < 0).any(axis=None) or not np.allclose(table.sum(axis=1), 1.0, atol=1e-6):
        raise ValueError(f"the column {share!r} must hold shares that add up to 1 at every {x}")
    ax = plt.gca() if ax is None else ax
    many = table.shape[1] > 16
    colors = level_colors(table.shape[1])
    # Edges in their own colour close the hairlines between many thin areas.
    edges: Any = colors if many else "white"
    names = [format_number(value) for value in table.columns]
    ax.stackplot(table.index, table.T, colors=colors, labels=names, edgecolor=edges, linewidth=0.4, zorder=1.5)
    # The areas fill the axes, so a shaded stage would not be seen: only its border and name are drawn.
    draw_stages(ax, stages, shade=False)
    ax.set(xlim=(table.index.min(), table.index.max()), ylim=(0, 1))
    ax.grid(False)
    label_axis(ax.xaxis, x)
    label_axis(ax.yaxis, "share")
    if legend and many:
        scale = ScalarMappable(Normalize(float(table.columns[0]), float(table.columns[-1])), LEVEL_CMAP)
        ax.figure.colorbar(scale, ax=ax, label=column_label(level), pad=0.02).outline.set_visible(False)
    elif legend:
        square: dict[str, Any] = {"handlelength": 1.0, "handleheight": 1.0}
        beside: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)}
        ax.legend(title=column_label(level), reverse=True, **beside, **square)
    return ax
