"""Single weights over the training, against the thresholds they cross."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D

from ._frames import Values, current_axes, require_columns
from ._stages import Stages, draw_stages
from .labels import column_label
from .palette import format_number, level_colors


def weight_trajectories(
    frame: pd.DataFrame,
    *,
    x: str = "step",
    y: str = "value",
    unit: str = "weight",
    code: str = "code",
    thresholds: pd.DataFrame | None = None,
    levels: Values | None = None,
    stages: Stages | None = None,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Latent weights over time, one line each, in the colour of the level a weight is rounded to at the time.

    `frame`: one row per weight and step, columns `x`, `y`, `unit` (which weight) and `code` (0 … n − 1).
    `thresholds`: their values over time, index `x`, one column per threshold (n − 1, ascending); drawn as
    dashed lines. `levels` names the n codes in the legend (default: the codes), and says how many there
    are. `stages` as in `crossings_over_time`. Missing columns, several rows for a weight and step, and
    codes beyond the levels raise `ValueError`.
    """
    require_columns(frame, [x, y, unit, code], "weight_trajectories")
    if frame.duplicated([unit, x]).any():
        raise ValueError(f"frame has several rows for one {unit} and {x}; select one run first")
    values = frame.pivot(index=x, columns=unit, values=y).astype(float)
    codes = frame.pivot(index=x, columns=unit, values=code).reindex_like(values)
    highest = int(np.nanmax(codes.to_numpy()))
    n = len(np.asarray(levels)) if levels is not None else highest + 1
    n = n if thresholds is None or levels is not None else max(n, thresholds.shape[1] + 1)
    if highest >= n or codes.min(axis=None) < 0:
        raise ValueError(f"codes must be 0 … {n - 1} with {n} levels, got {int(codes.min(axis=None))} … {highest}")
    ax = current_axes(ax)
    draw_stages(ax, stages)
    colors = np.asarray(level_colors(n))
    for name in values.columns:
        known = values[name].notna()
        points = np.column_stack([values.index[known].to_numpy(dtype=float), values.loc[known, name]])
        # A piece has the colour of the level it comes from.
        pieces = np.stack([points[:-1], points[1:]], axis=1)
        shades = colors[codes.loc[known, name].to_numpy(dtype=int)[:-1]]
        ax.add_collection(LineCollection(list(pieces), colors=shades, linewidths=1.0, gid=f"weight-{name}"))
    if thresholds is not None:
        for number, column in enumerate(thresholds.columns):
            ax.plot(
                thresholds.index,
                thresholds[column],
                color="#4D4D4D",
                linewidth=0.9,
                linestyle="dashed",
                gid=f"threshold-{number}",
                zorder=3,
            )
    ax.autoscale_view()
    ax.margins(x=0)
    ax.set_xlabel(column_label(x))
    ax.set_ylabel(column_label("weight"))
    if legend:
        names = [format_number(value) for value in (range(n) if levels is None else np.asarray(levels))]
        handles = [Line2D([], [], color=color, label=name) for color, name in zip(colors, names, strict=True)]
        dashed = Line2D([], [], color="#4D4D4D", linewidth=0.9, linestyle="dashed", label="thresholds")
        handles = handles[::-1] + ([dashed] if thresholds is not None else [])
        title = column_label("level") if levels is not None else "code"
        ax.legend(handles=handles, title=title, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax
