"""Figure 2 of the paper: where the weights of each level came from."""

from __future__ import annotations

from typing import Any, SupportsFloat

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from .labels import format_number
from .palette import level_colors
from .tables import Values, require_columns, vector

# Rows a full-height ridge may reach into: more shows small ridges better, less keeps neighbours apart.
_OVERLAP = 1.7


def pretrained_histograms(
    frame: pd.DataFrame,
    *,
    bins: int = 60,
    levels: Values | None = None,
    xlim: tuple[SupportsFloat, SupportsFloat] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw, for every final quantized value, the histogram of the pre-trained weights that ended there.

    `frame`: one row per weight, columns "weight" (its pre-trained value) and "level" (its final quantized
    value). The histograms are ridges on one common scale (the bar at the upper right gives it), each with its
    number of weights n. `levels` fixes the rows (a level without weights keeps an empty one), `xlim` the range
    of the bins; give the same to every panel of a figure (n also counts weights beyond it).

    Missing columns and weights that are not finite raise `ValueError`.
    """
    require_columns(frame, ["weight", "level"], "pretrained_histograms")
    weights, final = vector(frame["weight"], "weights"), frame["level"].to_numpy(dtype=np.float64)
    rows = vector(np.unique(final) if levels is None else levels, "levels", ascending=True)
    strangers = sorted(set(final) - set(rows))
    if strangers:
        raise ValueError(f"levels lacks values that the frame holds: {strangers}")
    limits = None if xlim is None else (float(xlim[0]), float(xlim[1]))
    edges = np.histogram_bin_edges(weights, bins, limits)
    counts = np.stack([np.histogram(weights[final == row], edges)[0] for row in rows])
    ax = plt.gca() if ax is None else ax
    _draw_ridges(ax, counts, np.array([(final == row).sum() for row in rows]), edges)
    ax.set_yticks(range(len(rows)), [format_number(row) for row in rows])
    ax.set(xlim=(edges[0], edges[-1]), xlabel=r"pre-trained weight $w_{\mathrm{pre}}$")
    ax.set_ylabel(r"final quantized weight $\hat w$")
    return ax


def _draw_ridges(ax: Axes, counts: NDArray[np.int64], totals: NDArray[np.int64], edges: NDArray[np.float64]) -> None:
    scale = _OVERLAP / max(int(counts.max()), 1)
    right: Any = {"xycoords": ax.get_yaxis_transform(), "textcoords": "offset points", "xytext": (4, 0), "va": "center"}
    for index, (color, row, total) in enumerate(zip(level_colors(len(counts)), counts, totals, strict=True)):
        # Lower rows are in front, each with a white rim that separates it from the row behind.
        front, heights = 3 - 0.01 * index, index + row * scale
        ax.stairs(heights, edges, baseline=index, fill=True, color=color, alpha=0.82, linewidth=0, zorder=front)
        ax.stairs(heights, edges, baseline=None, color="white", linewidth=1.0, zorder=front + 0.004)
        ax.axhline(index, color=color, linewidth=0.8, zorder=front + 0.005)
        number = f"n = {total:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
        ax.annotate(number, (1.0, index), fontsize="x-small", **right)
    # Ridges have no axis of counts: a bar of a round number of weights gives their scale.
    room = max(float(counts.max()) / 2, 1.0)
    size = max(step * 10 ** int(np.log10(room)) for step in (1, 2, 5) if step * 10 ** int(np.log10(room)) <= room)
    ends = np.array([0, size * scale]) + len(counts) - 0.55
    line: dict[str, Any] = {"color": "#333333", "linewidth": 1.6, "solid_capstyle": "butt", "gid": "scale-bar"}
    ax.plot([1.02] * 2, ends, transform=ax.get_yaxis_transform(), clip_on=False, **line)
    ax.annotate(f"{size} weights\nper bin", (1.02, ends.mean()), fontsize="x-small", **right)
    ax.set_ylim(-0.1, len(counts) - 1 + _OVERLAP + 0.1)
    ax.grid(False, axis="y")
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
