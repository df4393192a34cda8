"""The surface that matters: an outcome over interval size and learning rate."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.patches import Rectangle

from ._cells import annotate_cells, draw_cells
from ._frames import current_axes, require_columns
from ._marks import plain_log_ticks
from ._statistics import best_row, count_range, setting_means
from .labels import column_label
from .palette import format_number

_ANNOTATED = 120


def interval_surface(
    runs: pd.DataFrame,
    *,
    x: str = "shrink_min",
    y: str = "lr",
    value: str = "loss",
    lower_is_better: bool = True,
    log: bool = False,
    limits: tuple[float, float] | None = None,
    best: bool = True,
    annotate: bool | None = None,
    colorbar: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Heat map of the mean of `value` over runs, per pair of settings, with the best cell framed.

    `runs`: one row per run (seed) of one method, columns `x`, `y`, `value`. Every setting tried gets an
    equal cell, so that logarithmic sweeps read as well as even ones; yellow is better. A cell with a run
    that is not finite is hatched and cannot be the optimum; one never tried is blank. Means are written in
    the cells (`annotate`, by default up to 120 of them); n, the number of runs per cell, stands above at
    the right. `log` colours by the logarithm and needs positive means. `limits`: ends of
    the colour scale, to compare surfaces; by default those of the means. `best=False` frames no cell,
    for measures of which neither more nor less is better.

    Missing columns, and not one cell whose runs are all finite, raise `ValueError`.
    """
    require_columns(runs, [x, y, value], "interval_surface")
    table = setting_means(runs, [y, x], value)
    best_y, best_x = best_row(table["mean"], lower_is_better=lower_is_better)
    means, tried = table["mean"].unstack(x), table["n"].unstack(x).notna()
    cells = means.to_numpy(dtype=np.float64)
    low, high = float(np.nanmin(cells)), float(np.nanmax(cells))
    if log and low <= 0:
        raise ValueError(f"log=True needs positive means, but {value!r} goes down to {low:g}")
    if limits is not None:
        low, high = limits
    if low == high:
        low, high = (low * 0.9, high * 1.1) if log else (low - 0.5, high + 0.5)
    ax = current_axes(ax)
    mesh = draw_cells(
        ax,
        cells,
        norm=LogNorm(low, high) if log else Normalize(low, high),
        x_labels=[format_number(v) for v in means.columns],
        y_labels=[format_number(v) for v in means.index],
        cmap=mpl.colormaps["viridis_r" if lower_is_better else "viridis"],
    )
    for row, column in np.argwhere(tried.to_numpy() & np.isnan(cells)):
        ax.add_patch(
            Rectangle(
                (column - 0.5, row - 0.5),
                1,
                1,
                facecolor="#F2F2F2",
                edgecolor="#9A9A9A",
                hatch="////",
                linewidth=0,
                gid="not-finite",
            )
        )
    row, column = means.index.get_loc(best_y), means.columns.get_loc(best_x)
    if annotate if annotate is not None else cells.size <= _ANNOTATED:
        digits = _digits(cells)
        texts = np.array([[_cell_text(v, digits) for v in line] for line in cells], dtype=object)
        for text in annotate_cells(ax, mesh, texts, size=6.5 if cells.shape[1] <= 10 else 5.0):
            if best and text.get_position() == (column, row):
                text.set_fontweight("bold")
    # Black on white shows on every colour of the map, so the frame is drawn twice.
    for color, width, gid in (("white", 3.4, "optimum-rim"), ("black", 1.6, "optimum")) if best else ():
        ax.add_patch(
            Rectangle(
                (column - 0.5, row - 0.5),
                1,
                1,
                fill=False,
                edgecolor=color,
                linewidth=width,
                zorder=3,
                gid=gid,
                clip_on=False,
            )
        )
    ax.set_xlabel(column_label(x))
    ax.set_ylabel(column_label(y))
    framed = ", best framed" if best else ""
    ax.set_title(f"n = {count_range(table['n'])} per cell{framed}", loc="right", fontsize=7, color="#6B6B6B")
    if colorbar:
        bar = ax.figure.colorbar(mesh, ax=ax, label=f"{column_label(value)}, mean", pad=0.02)
        bar.outline.set_visible(False)
        if log:
            plain_log_ticks(bar.ax.yaxis, low, high)
    return ax


def _digits(cells: np.ndarray) -> int:
    """Decimals so that the smallest magnitude shows two significant digits, at most three."""
    finite = np.abs(cells[np.isfinite(cells) & (cells != 0)])
    return 0 if not len(finite) or finite.min() >= 10 else 1 if finite.min() >= 1 else 2 if finite.min() >= 0.1 else 3


def _cell_text(value: float, digits: int) -> str:
    if np.isnan(value):
        return ""
    text = f"{value:.{digits}f}"
    return format_number(value, 2) if len(text) > 6 else text.replace("-", "\N{MINUS SIGN}")
