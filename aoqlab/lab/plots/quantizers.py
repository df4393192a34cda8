"""A quantizer's thresholds and levels: its transfer function, and a layer's weights cut by it."""

from __future__ import annotations

from typing import Any, Literal, SupportsFloat

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter
from numpy.typing import NDArray

from .marks import few_ticks
from .palette import level_colors, method_color
from .tables import Values, vector

# With more levels than this, full lines would make a grey block: only short marks at the edge are drawn.
_FULL_LINES = 16
_LEGEND: dict[str, Any] = {"frameon": True, "framealpha": 1.0, "edgecolor": "none", "fancybox": False}
_SYMBOLS = {
    "weight": ("weight $w$", r"quantized weight $\hat w$"),
    "activation": ("activation $x$", r"quantized activation $\hat x$"),
}


def staircase(
    thresholds: Values,
    levels: Values,
    *,
    xlim: tuple[SupportsFloat, SupportsFloat] | None = None,
    ste: tuple[Values, Values] | None = None,
    method: str = "aoq",
    quantity: Literal["weight", "activation"] = "weight",
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    r"""Draw the transfer function of a quantizer: a staircase that jumps at the thresholds and rests on the levels.

    Draws $\hat w(w)$ in the colour of `method`, one vertical mark per threshold, one horizontal mark per
    level, and dashed what the straight-through gradient takes the quantizer for: the identity, or another
    curve `ste` given as (x, y) arrays (LTQ's ramp).

    `thresholds`: (n − 1,) ascending, `levels`: (n,) ascending, in units of the weights. `xlim` defaults to
    the outermost threshold or level plus half the widest bin. Wrong shapes or unsorted values raise
    `ValueError`.
    """
    cuts, values = _grid(thresholds, levels)
    if quantity not in _SYMBOLS:
        raise ValueError(f"quantity must be one of {list(_SYMBOLS)}, got {quantity!r}")
    low, high = map(float, xlim if xlim is not None else _reach(cuts, values))
    if not low < high:
        raise ValueError(f"xlim must be ascending, got ({low}, {high})")
    ax = plt.gca() if ax is None else ax
    color = method_color(method)
    many = len(values) > _FULL_LINES
    _draw_thresholds(ax, cuts)
    ax.hlines(
        values,
        0,
        0.025 if many else 1,
        transform=ax.get_yaxis_transform(),
        colors=color,
        linewidths=0.4 if many else 0.8,
        linestyles="solid" if many else "dotted",
        label="levels",
        gid="levels",
    )
    x, y = ste if ste is not None else ((low, high), (low, high))
    name = "straight-through" if ste is not None else "straight-through (identity)"
    dashed: dict[str, Any] = {"color": "#333333", "linewidth": 0.9, "linestyle": (0, (5, 2.5))}
    ax.plot(vector(x, "ste x"), vector(y, "ste y"), label=name, gid="straight-through", **dashed)
    inside = np.flatnonzero((cuts > low) & (cuts < high))
    first = int(np.searchsorted(cuts, low, side="right"))
    steps, edges = values[first : first + len(inside) + 1], [low, *cuts[inside], high]
    ax.stairs(steps, edges, baseline=None, color=color, linewidth=2.0, label="quantizer", gid="staircase", zorder=3)
    margin = 0.12 * max(float(np.ptp(values)), 1e-12)
    ax.set(xlim=(low, high), ylim=(values[0] - margin, values[-1] + margin))
    ax.grid(False)
    few_ticks(ax.xaxis)
    few_ticks(ax.yaxis)
    ax.set_xlabel(_SYMBOLS[quantity][0])
    ax.set_ylabel(_SYMBOLS[quantity][1])
    if legend:
        ax.legend(loc="upper left", **_LEGEND)
    return ax


def weight_histogram(
    counts: Values,
    edges: Values,
    *,
    thresholds: Values,
    levels: Values,
    xlim: tuple[SupportsFloat, SupportsFloat] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a layer's weights as a histogram, cut at the thresholds and coloured by the level each part goes to.

    Thresholds are dashed lines, levels are triangles on the upper edge, in the colour of the weights they
    belong to. `counts` (m,) and `edges` (m + 1,) are as `numpy.histogram` returns them. A bin that straddles a
    threshold is cut, not moved. `xlim` fixes the view (default: all weights, thresholds and levels are in it).

    `thresholds`: (n − 1,) and `levels`: (n,), ascending. Shapes that do not match raise `ValueError`.
    """
    cuts, values = _grid(thresholds, levels)
    heights, borders = vector(counts, "counts"), vector(edges, "edges", ascending=True)
    if len(borders) != len(heights) + 1 or not heights.size:
        raise ValueError(f"{len(heights)} counts need {len(heights) + 1} edges, got {len(borders)}")
    ax = plt.gca() if ax is None else ax
    colors = np.asarray(level_colors(len(values)))
    parts = np.union1d(borders, cuts[(cuts > borders[0]) & (cuts < borders[-1])])
    middles = (parts[:-1] + parts[1:]) / 2
    whole = heights[np.searchsorted(borders, middles, side="right") - 1]
    codes = np.searchsorted(cuts, middles)
    for code in np.unique(codes):
        own = np.flatnonzero(codes == code)
        ends = parts[own[0] : own[-1] + 2]
        ax.stairs(whole[own], ends, fill=True, color=colors[code], alpha=0.75, linewidth=0, gid=f"level-{code}")
    ax.stairs(heights, borders, color="#333333", linewidth=0.6, gid="outline")
    _draw_thresholds(ax, cuts)
    many = len(values) > _FULL_LINES
    low, high = (-np.inf, np.inf) if xlim is None else map(float, xlim)
    # The triangles reach across the frame, so those outside it are not left to clipping.
    seen = (values >= low) & (values <= high)
    ax.scatter(
        values[seen],
        np.full(seen.sum(), 0.96),
        transform=ax.get_xaxis_transform(),
        marker="v",
        s=8 if many else 30,
        c=colors[seen],
        edgecolors="none" if many else "#333333",
        linewidths=0.6,
        clip_on=False,
        zorder=4,
        gid="levels",
    )
    ax.set_ylim(0, 1.16 * max(float(heights.max()), 1e-12))  # headroom for the row of levels
    ax.margins(x=0.02)
    if xlim is not None:
        ax.set_xlim(low, high)
    few_ticks(ax.xaxis)
    ax.yaxis.set_major_formatter(EngFormatter(sep=""))
    ax.grid(False, axis="x")
    ax.set(xlabel="weight $w$", ylabel="weights per bin")
    triangle = Line2D([], [], linestyle="", marker="v", color="#8C8C8C", markeredgecolor="#333333", label="levels")
    handles = [*ax.get_legend_handles_labels()[0], triangle]
    ax.legend(handles=handles, loc="upper right", bbox_to_anchor=(1.0, 0.93), **_LEGEND)
    return ax


def _grid(thresholds: Values, levels: Values) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return thresholds and levels as ascending arrays; there is one threshold less than levels, or `ValueError`."""
    cuts, values = vector(thresholds, "thresholds", ascending=True), vector(levels, "levels", ascending=True)
    if len(cuts) != len(values) - 1:
        raise ValueError(f"{len(values)} levels need {len(values) - 1} thresholds, got {len(cuts)}")
    return cuts, values


def _draw_thresholds(ax: Axes, thresholds: NDArray[np.float64]) -> None:
    """Draw one vertical dashed line per threshold; short marks on the x axis where there are many."""
    many = len(thresholds) >= _FULL_LINES
    ax.vlines(
        thresholds,
        0,
        0.04 if many else 1,
        transform=ax.get_xaxis_transform(),
        colors="#4D4D4D",
        linewidths=0.25 if many else 0.7,
        linestyles="solid" if many else "dashed",
        label="thresholds",
        gid="thresholds",
    )


def _reach(cuts: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[float, float]:
    both, bins = np.concatenate((cuts, values)), np.diff(cuts if len(cuts) > 1 else values)
    margin = 0.5 * float(bins.max()) if len(bins) and bins.max() > 0 else 1.0
    return float(both.min()) - margin, float(both.max()) + margin
