"""A layer's weights against its quantizer."""

from __future__ import annotations

from typing import SupportsFloat

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter
from numpy.typing import NDArray

from ._frames import Values, current_axes, quantizer_grid, vector
from ._marks import FULL_LINES, OPAQUE_LEGEND, draw_thresholds, few_ticks
from .palette import level_colors


def weight_histogram(
    weights: Values | None = None,
    *,
    thresholds: Values,
    levels: Values,
    counts: Values | None = None,
    edges: Values | None = None,
    bins: int = 200,
    xlim: tuple[SupportsFloat, SupportsFloat] | None = None,
    shade: bool = True,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Histogram of a layer's weights, cut at the thresholds and coloured by the level each part goes to.

    Thresholds are dashed lines, levels are triangles on the upper edge, in the colour of the weights they
    stand for. The histogram is counted from `weights` (any shape) in `bins` equal bins, or given as
    `counts` (m,) and `edges` (m + 1,), so that ten million weights need counting only once. `shade=False`
    fills it in one grey. `xlim` fixes the view (default: all weights, thresholds and levels are in it).

    `thresholds`: (n − 1,) and `levels`: (n,), ascending. Neither or both of `weights` and `counts`, weights
    that are not finite, and shapes that do not match raise `ValueError`.
    """
    cuts, values = quantizer_grid(thresholds, levels)
    heights, borders = _histogram(weights, counts, edges, bins)
    ax = current_axes(ax)
    colors = level_colors(len(values))
    if shade:
        for index, color in enumerate(colors):
            low = cuts[index - 1] if index else -np.inf
            high = cuts[index] if index < len(cuts) else np.inf
            part = _slice(heights, borders, low, high)
            if part is not None:
                ax.stairs(*part, fill=True, color=color, alpha=0.75, linewidth=0, gid=f"level-{index}")
    else:
        ax.stairs(heights, borders, fill=True, color="#BDBDBD", linewidth=0, gid="weights")
    ax.stairs(heights, borders, color="#333333", linewidth=0.6, gid="outline")
    draw_thresholds(ax, cuts)
    many = len(values) > FULL_LINES
    low, high = (-np.inf, np.inf) if xlim is None else map(float, xlim)
    # The triangles may stand across the frame, so those outside it are not left to clipping.
    seen = (values >= low) & (values <= high)
    ax.scatter(
        values[seen],
        np.full(seen.sum(), 0.96),
        transform=ax.get_xaxis_transform(),
        marker="v",
        s=8 if many else 30,
        c=[color for color, inside in zip(colors, seen, strict=True) if inside],
        edgecolors="none" if many else "#333333",
        linewidths=0.6,
        clip_on=False,
        zorder=4,
        gid="levels",
    )
    # Headroom for the row of levels.
    ax.set_ylim(0, 1.16 * max(float(heights.max()), 1e-12))
    ax.margins(x=0.02)
    if xlim is not None:
        ax.set_xlim(low, high)
    few_ticks(ax.xaxis)
    ax.yaxis.set_major_formatter(EngFormatter(sep=""))
    ax.grid(False, axis="x")
    ax.set_xlabel("weight $w$")
    ax.set_ylabel("weights per bin")
    if legend:
        triangle = Line2D([], [], linestyle="", marker="v", color="#8C8C8C", markeredgecolor="#333333", label="levels")
        handles = [*ax.get_legend_handles_labels()[0], triangle]
        ax.legend(handles=handles, loc="upper right", bbox_to_anchor=(1.0, 0.93), **OPAQUE_LEGEND)
    return ax


def _histogram(
    weights: Values | None, counts: Values | None, edges: Values | None, bins: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if (weights is None) == (counts is None):
        raise ValueError("weight_histogram needs either weights, or counts and edges")
    if weights is not None:
        if edges is not None:
            raise ValueError("edges go with counts; with weights give the number of bins")
        flat = vector(np.asarray(weights).ravel(), "weights")
        if not len(flat):
            raise ValueError("weights is empty")
        heights, borders = np.histogram(flat, bins=bins)
        return heights.astype(np.float64), borders
    if edges is None:
        raise ValueError("counts need edges, one more than counts")
    heights, borders = vector(counts, "counts"), vector(edges, "edges", ascending=True)  # type: ignore[arg-type]
    if len(borders) != len(heights) + 1 or not len(heights):
        raise ValueError(f"{len(heights)} counts need {len(heights) + 1} edges, got {len(borders)}")
    return heights, borders


def _slice(
    heights: NDArray[np.float64], borders: NDArray[np.float64], low: float, high: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """The part of the histogram between `low` and `high`; a bin that straddles a border is cut, not moved."""
    low, high = max(low, borders[0]), min(high, borders[-1])
    if not low < high:
        return None
    first = int(np.searchsorted(borders, low, side="right")) - 1
    last = int(np.searchsorted(borders, high, side="left"))
    return heights[first:last], np.concatenate(([low], borders[first + 1 : last], [high]))
