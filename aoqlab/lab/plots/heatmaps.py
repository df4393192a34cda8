"""Heat maps: an outcome over two settings, and transitions between levels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, SupportsFloat

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm, Normalize
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import EngFormatter

from .labels import column_label, format_number, is_share
from .marks import NOTE, log_ticks
from .tables import Values, best_row, count_range, require_columns, setting_means, vector

_ANNOTATED = 120
_COUNTS = EngFormatter(sep="", useMathText=False)


def interval_surface(
    runs: pd.DataFrame,
    *,
    x: str = "shrink_min",
    y: str = "lr",
    value: str = "loss",
    lower_is_better: bool = True,
    log: bool = False,
    limits: tuple[SupportsFloat, SupportsFloat] | None = None,
    best: bool = True,
    annotate: bool | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the mean of `value` over runs per pair of settings as a heat map, with the best cell framed.

    `runs`: one row per run (seed) of one method, columns `x`, `y`, `value`. Every setting tried gets an
    equal cell, so that logarithmic sweeps read as well as even ones; yellow is better. The cell of the i-th
    setting spans i to i + 1. A cell with a run that is not finite is hatched and cannot be the optimum; one
    never tried is blank. Means are written in the cells (`annotate`, by default up to 120 of them); n, the
    number of runs per cell, is above at the right. `log` colours by the logarithm and needs positive means.
    `limits`: ends of the colour scale, to compare surfaces; by default the ends of the means. `best=False`
    frames no cell, for measures of which neither more nor less is better.

    Missing columns, and not one cell whose runs are all finite, raise `ValueError`.
    """
    require_columns(runs, [x, y, value], "interval_surface")
    table = setting_means(runs, [y, x], value)
    best_y, best_x = best_row(table["mean"], lower_is_better=lower_is_better)
    means, tried = table["mean"].unstack(x), table["n"].unstack(x).notna()
    if log and means.min(axis=None) <= 0:
        raise ValueError(f"log=True needs positive means, but {value!r} goes down to {means.min(axis=None):g}")
    ax = plt.gca() if ax is None else ax
    mesh = _cells(
        ax,
        means.rename(index=format_number, columns=format_number),
        log=log,
        limits=limits,
        write=(_percent if is_share(value) else format_number)
        if (means.size <= _ANNOTATED if annotate is None else annotate)
        else None,
        characters=6,
        label=f"{column_label(value)}, mean",
        cmap="viridis_r" if lower_is_better else "viridis",
    )
    ax.invert_yaxis()
    for row, column in np.argwhere(tried.to_numpy() & means.isna().to_numpy()):
        cell = Rectangle((column, row), 1, 1, facecolor="#F2F2F2", edgecolor="#9A9A9A", hatch="////", linewidth=0)
        ax.add_patch(cell).set_gid("not-finite")
    if best:
        row, column = means.index.get_loc(best_y), means.columns.get_loc(best_x)
        rim = [withStroke(linewidth=3.4, foreground="white")]  # black on white shows on every colour of the map
        frame = Rectangle((column, row), 1, 1, fill=False, linewidth=1.6, clip_on=False, zorder=3, path_effects=rim)
        ax.add_patch(frame).set_gid("optimum")
        for text in ax.texts:
            if text.get_position() == (column + 0.5, row + 0.5):
                text.set_fontweight("bold")
    ax.set(xlabel=column_label(x), ylabel=column_label(y))
    ax.set_title(f"n = {count_range(table['n'])} per cell{', best framed' if best else ''}", **NOTE)
    if is_share(value):
        assert mesh.colorbar is not None
        mesh.colorbar.ax.yaxis.set_major_formatter(lambda number, _: _percent(number))
    return ax


def transition_heatmap(
    matrix: Values,
    *,
    levels: Values | None = None,
    limits: tuple[SupportsFloat, SupportsFloat] | None = None,
    colorbar: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draw the number of transitions between levels: a row for the level left, a column for the level reached.

    `matrix`: counts (n, n). `levels`: their n values (default: the codes 0 … n − 1). Cells without a
    transition are blank; up to 16 levels the counts are written in the cells (1.2k, 3.4M). Colours go by the
    logarithm. `limits`, the lowest and highest count of the colours, let several matrices compare. A matrix
    that is not square, negative counts, and a wrong number of levels raise `ValueError`.
    """
    counts = np.asarray(matrix, dtype=np.float64)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not counts.size:
        raise ValueError(f"matrix must be square, got shape {counts.shape}")
    if not np.isfinite(counts).all() or (counts < 0).any():
        raise ValueError("matrix must hold counts: finite and not negative")
    values = np.arange(len(counts)) if levels is None else vector(levels, "levels")
    if len(values) != len(counts):
        raise ValueError(f"a {len(counts)} by {len(counts)} matrix needs {len(counts)} levels, got {len(values)}")
    ax = plt.gca() if ax is None else ax
    names = [format_number(value) for value in values]
    mesh = _cells(
        ax,
        pd.DataFrame(np.where(counts > 0, counts, np.nan), index=names, columns=names),
        log=True,
        limits=limits,
        write=_count if len(counts) <= 16 else None,
        characters=5,
        label="transitions" if colorbar else None,
        cmap="cividis_r",
    )
    if mesh.colorbar is not None:
        mesh.colorbar.ax.yaxis.set_major_formatter(_COUNTS)
    ax.set_aspect("equal")
    # Blank cells are part of the matrix: a frame shows how far it reaches.
    ax.spines[:].set(visible=True, color="#BFBFBF")
    what = "code" if levels is None else "level"
    ax.set(xlabel=f"to {what}", ylabel=f"from {what}")
    return ax


def _cells(
    ax: Axes,
    values: pd.DataFrame,
    *,
    log: bool,
    limits: tuple[SupportsFloat, SupportsFloat] | None,
    write: Callable[[float], str] | None,
    characters: int,
    label: str | None,
    cmap: str,
) -> QuadMesh:
    """Draw one cell per value, NaN blank, with what `write` makes of it; `label` is that of the colour bar."""
    found = values.stack() if values.notna().any(axis=None) else pd.Series([1.0, 10.0])
    low, high = map(float, limits or (found.min(), found.max()))
    if low >= high:
        low, high = (low * 0.9, high * 1.1) if log else (low - 0.5, high + 0.5)
    width = 0.85 * 72 * ax.get_window_extent().width / ax.get_figure(root=True).dpi / values.shape[1]  # type: ignore[union-attr]
    every = max(1, max(values.shape) // 8) if max(values.shape) > 16 else 1
    with undrawn(ax):
        sns.heatmap(
            values,
            mask=values.isna(),
            vmin=low,
            vmax=high,
            norm=LogNorm(low, high) if log else Normalize(low, high),
            cmap=cmap,
            annot=values.map(write, na_action="ignore") if write else None,
            fmt="",
            annot_kws={"fontsize": min(7.5, max(3.0, 1.65 * width / characters))},
            linewidths=0.8 if max(values.shape) <= 32 else 0.0,
            xticklabels=every,
            yticklabels=every,
            cbar=label is not None,
            cbar_kws={"label": label, "pad": 0.02},
            ax=ax,
        )
    ax.grid(False)
    ax.tick_params(length=0)
    ax.tick_params(axis="y", labelrotation=0)
    mesh = ax.collections[0]
    assert isinstance(mesh, QuadMesh)
    if log and mesh.colorbar is not None:
        log_ticks(mesh.colorbar.ax.yaxis, low, high)
    return mesh


@contextmanager
def undrawn(ax: Axes) -> Iterator[None]:
    """Keep seaborn from drawing the whole figure to see whether labels overlap: seconds with many panels."""
    figure: Any = ax.get_figure(root=True)
    canvas = figure.canvas
    FigureCanvasBase(figure)
    try:
        yield
    finally:
        figure.set_canvas(canvas)


def _percent(value: float) -> str:
    return f"{format_number(100 * value)}%"


def _count(value: float) -> str:
    """Return a count with three significant digits at most: 31, 1.2k, 3.4M."""
    return _COUNTS(float(f"{value:.3g}"))
