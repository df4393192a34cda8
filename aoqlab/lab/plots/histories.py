"""What happened during training: crossings and level shares over time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.ticker import PercentFormatter

from ._frames import current_axes, require_columns
from ._stages import Stages, draw_stages
from .labels import column_label
from .palette import LEVEL_CMAP, format_number, hue_colors, level_colors


def crossings_over_time(
    history: pd.DataFrame,
    *,
    x: str = "step",
    y: str = "crossings",
    hue: str = "method",
    unit: str | None = None,
    spread: Literal["seeds", "minmax", "sd"] | None = "seeds",
    stages: Stages | None = None,
    palette: Mapping[Any, Any] | None = None,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Any number of the training history over time: the mean over runs, and how far the runs spread.

    `history`: one row per run and step, columns `x`, `y`, `hue` and `unit`, the column that tells runs of
    one hue apart ("run" where there is one, else "seed"). Per hue is drawn the mean in bold and every run
    as a thin line (`spread="seeds"`), or a band from the least to the greatest run ("minmax") or of one
    standard deviation either way ("sd"). `stages`, (start, end, name) in units of `x`, are shaded and named
    on top.

    Missing columns, and more than one row for a run and step (two layers, say: choose one first), raise
    `ValueError`.
    """
    require_columns(history, [x, y, hue], "crossings_over_time")
    run = unit or next((name for name in ("run", "seed") if name in history.columns), None)
    if run is None:
        raise ValueError('crossings_over_time needs a column "run" or "seed", or its name as unit')
    require_columns(history, [run], "crossings_over_time")
    if spread not in ("seeds", "minmax", "sd", None):
        raise ValueError(f'spread must be "seeds", "minmax", "sd" or None, got {spread!r}')
    if history.duplicated([hue, run, x]).any():
        raise ValueError(f"history has several rows for one {hue}, {run} and {x}; select or average first")
    ax = current_axes(ax)
    draw_stages(ax, stages)
    for value, (color, name) in hue_colors(history[hue], palette).items():
        table = history[history[hue] == value].pivot(index=x, columns=run, values=y).astype(float)
        mean = table.mean(axis=1)
        if spread == "seeds":
            for seed in table.columns:
                one = table[seed].dropna()
                ax.plot(
                    one.index,
                    one,
                    color=color,
                    linewidth=0.6,
                    alpha=0.4,
                    zorder=2.1,
                    gid=f"seed-{value}-{seed}",
                )
        elif spread is not None:
            low, high = table.min(axis=1), table.max(axis=1)
            if spread == "sd":
                deviation = table.std(axis=1, ddof=1).fillna(0.0)
                low, high = mean - deviation, mean + deviation
            ax.fill_between(mean.index, low, high, color=color, alpha=0.2, linewidth=0, gid=f"band-{value}")
        label = f"{name} (n = {table.shape[1]})"
        ax.plot(mean.index, mean, color=color, label=label, zorder=3, gid=f"mean-{value}")
    ax.margins(x=0)
    ax.set_xlabel(column_label(x))
    ax.set_ylabel(column_label(y))
    if legend:
        ax.legend(title=None if hue == "method" else column_label(hue))
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
    """How the weights are shared out among the levels over time: a stacked area per level, lowest first.

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
    ax = current_axes(ax)
    names = [format_number(value) for value in table.columns]
    many = len(names) > 16
    colors = level_colors(len(names))
    areas = ax.stackplot(
        table.index,
        table.to_numpy().T,
        colors=colors,
        labels=names,
        # Rims in their own colour close the hairlines between many thin areas.
        edgecolor=colors if many else "white",
        linewidth=0.4,
        zorder=1.5,
    )
    # The areas fill the axes, so a shaded stage would not be seen: only its border and name are drawn.
    draw_stages(ax, stages, shade=False)
    ax.set_xlim(table.index.min(), table.index.max())
    ax.set_ylim(0, 1)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.grid(False)
    ax.set_xlabel(column_label(x))
    ax.set_ylabel("share of weights")
    if legend and many:
        scale = ScalarMappable(Normalize(float(table.columns[0]), float(table.columns[-1])), LEVEL_CMAP)
        ax.figure.colorbar(scale, ax=ax, label=column_label(level), pad=0.02).outline.set_visible(False)
    elif legend:
        ax.legend(
            areas[::-1],
            names[::-1],
            title=column_label(level),
            loc="center left",
            bbox_to_anchor=(1.0, 0.5),
            handlelength=1.0,
            handleheight=1.0,
        )
    return ax
