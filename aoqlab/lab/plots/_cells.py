"""A matrix drawn as equal cells with a number in each: what both heat maps share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import Colormap, Normalize
from matplotlib.text import Text
from numpy.typing import NDArray

from .palette import text_color_on

Labels = Sequence[str]


def draw_cells(
    ax: Axes,
    values: NDArray[np.float64],
    *,
    x_labels: Labels,
    y_labels: Labels,
    norm: Normalize,
    cmap: Colormap,
) -> QuadMesh:
    """Draws `values` (rows up the y axis) as unit cells centred on 0, 1, 2, …; NaN cells stay blank."""
    rows, columns = values.shape
    mesh = ax.pcolormesh(
        np.arange(columns + 1) - 0.5,
        np.arange(rows + 1) - 0.5,
        np.ma.masked_invalid(values),
        norm=norm,
        cmap=cmap,
        edgecolors="white",
        linewidth=0.8 if max(rows, columns) <= 32 else 0.0,
    )
    ax.grid(False)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    every_x, every_y = _tick_step(columns), _tick_step(rows)
    ax.set_xticks(np.arange(0, columns, every_x), x_labels[::every_x])
    ax.set_yticks(np.arange(0, rows, every_y), y_labels[::every_y])
    if columns > 8 and max(map(len, x_labels)) > 2:
        ax.tick_params(axis="x", labelrotation=90)
    ax.set_xlim(-0.5, columns - 0.5)
    ax.set_ylim(-0.5, rows - 0.5)
    return mesh


def _tick_step(cells: int) -> int:
    """Every cell up to 16; beyond that a power of two that leaves nine ticks at most."""
    step = 1
    while cells > 16 and (cells - 1) // step + 1 > 9:
        step *= 2
    return step


def annotate_cells(ax: Axes, mesh: QuadMesh, texts: NDArray[np.object_], *, size: float) -> list[Text]:
    """Writes `texts` (same shape as the cells, empty for none) in black or white, whichever reads better."""
    values: Any = np.ma.asarray(mesh.get_array()).reshape(texts.shape)
    written = []
    for (row, column), text in np.ndenumerate(texts):
        if not text:
            continue
        blank = np.ma.getmaskarray(values)[row, column]
        color = "#6B6B6B" if blank else text_color_on(mesh.cmap(mesh.norm(values[row, column])))
        written.append(ax.text(column, row, text, ha="center", va="center", fontsize=size, color=color))
    return written
