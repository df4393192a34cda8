"""Which level weights leave, and which they go to."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.ticker import EngFormatter

from ._cells import annotate_cells, draw_cells
from ._frames import Values, current_axes, vector
from ._marks import plain_log_ticks
from .palette import format_number

_ANNOTATED = 16


def transition_heatmap(
    matrix: Values,
    *,
    levels: Values | None = None,
    log: bool = True,
    limits: tuple[float | int, float | int] | None = None,
    colorbar: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Number of transitions between levels: a row for the level left, a column for the level reached.

    `matrix`: counts (n, n). `levels`: their n values (default: the codes 0 … n − 1). Cells without a
    transition are blank; up to 16 levels the counts are written in the cells (1.2k, 3.4M). `log` colours by
    the logarithm. `limits`, the lowest and highest count of the colours, let several matrices compare. A matrix that is
    not square, negative counts, and a wrong number of levels raise `ValueError`.
    """
    counts = np.asarray(matrix, dtype=np.float64)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not counts.size:
        raise ValueError(f"matrix must be square, got shape {counts.shape}")
    if not np.isfinite(counts).all() or (counts < 0).any():
        raise ValueError("matrix must hold counts: finite and not negative")
    n = len(counts)
    values = np.arange(n, dtype=np.float64) if levels is None else vector(levels, "levels")
    if len(values) != n:
        raise ValueError(f"a {n} by {n} matrix needs {n} levels, got {len(values)}")
    ax = current_axes(ax)
    filled = np.where(counts > 0, counts, np.nan)
    found = (float(np.nanmin(filled)), float(np.nanmax(filled))) if (counts > 0).any() else (1.0, 10.0)
    low, high = found if limits is None else map(float, limits)
    low, high = (low, high) if low < high else (low * 0.5, high * 2.0)
    norm = LogNorm(low, high) if log else Normalize(0.0, high)
    names = [format_number(value) for value in values]
    cmap = mpl.colormaps["cividis_r"]
    mesh = draw_cells(ax, filled, x_labels=names, y_labels=names, norm=norm, cmap=cmap)
    if n <= _ANNOTATED:
        texts = np.array([[_short(count) for count in row] for row in counts], dtype=object)
        annotate_cells(ax, mesh, texts, size=_text_size(ax, n))
    ax.invert_yaxis()
    ax.set_aspect("equal")
    # Blank cells are part of the matrix: a frame shows how far it reaches.
    ax.spines[:].set_visible(True)
    ax.spines[:].set_color("#BFBFBF")
    what = "code" if levels is None else "level"
    ax.set_xlabel(f"to {what}")
    ax.set_ylabel(f"from {what}")
    if colorbar:
        bar = ax.figure.colorbar(mesh, ax=ax, label="transitions", pad=0.02, shrink=0.9)
        bar.outline.set_visible(False)
        if log:
            plain_log_ticks(bar.ax.yaxis, low, high, EngFormatter(sep=""))
    return ax


def _text_size(ax: Axes, n: int) -> float:
    """Font size in points at which four characters fit into one of `n` cells a side."""
    figure = ax.get_figure(root=True)
    inch = figure.dpi if figure is not None else 100.0
    side = min(ax.get_window_extent().width, ax.get_window_extent().height) / inch
    cell = 0.85 * 72.0 * side / n  # the colour bar takes the rest
    return min(7.5, max(3.0, 0.42 * cell))


def _short(count: float | int) -> str:
    """A count in at most four characters; nothing for zero."""
    if count == 0:
        return ""
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= 0.9995 * size:
            scaled = count / size
            return f"{scaled:.0f}{suffix}" if scaled >= 9.95 else f"{scaled:.1f}{suffix}"
    return f"{count:.3g}"
