"""Figure 2 of the paper: where the weights of each level came from."""

from __future__ import annotations

from typing import Any, Literal, SupportsFloat

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ._frames import Values, current_axes, require_columns, vector
from .palette import format_number, level_colors, method_label

# Rows a full-height ridge may reach into: more shows small ridges better, less keeps neighbours apart.
_OVERLAP = 1.7


def pretrained_histograms(
    frame: pd.DataFrame,
    *,
    weight: str = "weight",
    level: str = "level",
    kind: Literal["ridge", "bars3d"] = "ridge",
    bins: int = 60,
    levels: Values | None = None,
    xlim: tuple[SupportsFloat, SupportsFloat] | None = None,
    method: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Figure 2: for every final quantized value, the histogram of the pre-trained weights that ended there.

    `frame`: one row per weight, columns `weight` (its pre-trained value) and `level` (its final quantized
    value). "ridge" stacks the histograms as rows of one common scale (the bar at the upper right gives it),
    with the number of weights n of each; "bars3d" draws the paper's rows of bars and needs
    three-dimensional axes, which it makes when `ax` is None. `levels` fixes the rows (a level without
    weights keeps an empty one), `xlim` the range of the bins; give the same to every panel of a figure (n
    also counts weights beyond it). `method` puts its name in the title.

    Missing columns, weights that are not finite, and axes of the wrong kind raise `ValueError`.
    """
    require_columns(frame, [weight, level], "pretrained_histograms")
    rows = vector(np.unique(frame[level]) if levels is None else levels, "levels", ascending=True)
    strangers = sorted(set(frame[level].astype(float)) - set(rows))
    if strangers:
        raise ValueError(f"levels lacks values that the frame holds: {strangers}")
    weights = vector(frame[weight], "weights")
    low, high = map(float, xlim if xlim is not None else (weights.min(), weights.max()))
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, bins + 1)
    final = frame[level].to_numpy(dtype=np.float64)
    counts = np.stack([np.histogram(weights[final == row], bins=edges)[0] for row in rows])
    totals = np.array([int((final == row).sum()) for row in rows])
    if kind == "ridge":
        ax = _ridge(current_axes(ax), rows, counts, totals, edges)
    elif kind == "bars3d":
        ax = _bars3d(ax, rows, counts, edges)
    else:
        raise ValueError(f'kind must be "ridge" or "bars3d", got {kind!r}')
    ax.set_xlabel(r"pre-trained weight $w_{\mathrm{pre}}$")
    if method is not None:
        # Three-dimensional axes leave their upper part empty.
        ax.set_title(method_label(method), y=0.96 if kind == "bars3d" else None)
    return ax


def _ridge(
    ax: Axes,
    rows: NDArray[np.float64],
    counts: NDArray[np.int64],
    totals: NDArray[np.int64],
    edges: NDArray[np.float64],
) -> Axes:
    scale = _OVERLAP / max(int(counts.max()), 1)
    colors = level_colors(len(rows))
    for index in reversed(range(len(rows))):
        heights = index + counts[index] * scale
        # Lower rows lie in front, each with a white rim that parts it from the row behind.
        front = 2 + (len(rows) - index) * 0.01
        ax.stairs(
            heights,
            edges,
            baseline=index,
            fill=True,
            color=colors[index],
            alpha=0.82,
            linewidth=0,
            zorder=front,
        )
        ax.stairs(heights, edges, baseline=None, color="white", linewidth=1.0, zorder=front + 0.004)
        ax.axhline(index, color=colors[index], linewidth=0.8, zorder=front + 0.005)
        ax.annotate(
            f"n = {totals[index]:,}".replace(",", "\N{NARROW NO-BREAK SPACE}"),
            (1.0, index),
            xycoords=ax.get_yaxis_transform(),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize="x-small",
        )
    ax.set_yticks(range(len(rows)), [format_number(row) for row in rows])
    ax.set_ylim(-0.1, len(rows) - 1 + _OVERLAP + 0.1)
    ax.set_xlim(edges[0], edges[-1])
    ax.set_ylabel(r"final quantized weight $\hat w$")
    ax.grid(False, axis="y")
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    _scale_bar(ax, scale, int(counts.max()), len(rows) - 0.55)
    return ax


def _scale_bar(ax: Axes, scale: float, tallest: int, bottom: float) -> None:
    """A bar of a round number of weights beside the top row: ridges have no axis of counts."""
    room = max(tallest * 0.5, 1)
    magnitude = 10 ** int(np.floor(np.log10(room)))
    size = max(step * magnitude for step in (1, 2, 5) if step * magnitude <= room)
    ax.plot(
        [1.02] * 2,
        [bottom, bottom + size * scale],
        transform=ax.get_yaxis_transform(),
        color="#333333",
        linewidth=1.6,
        solid_capstyle="butt",
        clip_on=False,
        gid="scale-bar",
    )
    ax.annotate(
        f"{size} weights\nper bin",
        (1.02, bottom + size * scale / 2),
        xycoords=ax.get_yaxis_transform(),
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        fontsize="x-small",
    )


def _bars3d(ax: Axes | None, rows: NDArray[np.float64], counts: NDArray[np.int64], edges: NDArray[np.float64]) -> Axes:
    if ax is None:
        ax = plt.figure().add_subplot(projection="3d")
    if ax.name != "3d":
        raise ValueError('kind="bars3d" needs axes made with projection="3d"; these are two-dimensional')
    solid: Any = ax
    width = float(edges[1] - edges[0])
    for index, color in reversed(list(enumerate(level_colors(len(rows))))):
        full = counts[index] > 0
        solid.bar3d(
            edges[:-1][full],
            index - 0.3,
            0,
            width,
            0.6,
            counts[index][full],
            color=color,
            shade=True,
            edgecolor=(1, 1, 1, 0.25),
            linewidth=0.2,
        )
    solid.set_yticks(range(len(rows)), [format_number(row) for row in rows])
    solid.set_xlim(edges[0], edges[-1])
    solid.set_ylabel(r"quantized weight $\hat w$")
    solid.set_zlabel("weights per bin")
    solid.view_init(elev=28, azim=-62)
    solid.set_box_aspect((1.5, 1.1, 0.85), zoom=1.02)
    for axis in (solid.xaxis, solid.yaxis, solid.zaxis):
        axis.set_pane_color((1.0, 1.0, 1.0, 0.0))
    return solid
