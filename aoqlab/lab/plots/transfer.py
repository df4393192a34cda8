"""The quantizer's transfer function."""

from __future__ import annotations

from typing import Literal, SupportsFloat

import numpy as np
from matplotlib.axes import Axes

from ._frames import Values, current_axes, quantizer_grid, vector
from ._marks import FULL_LINES, OPAQUE_LEGEND, draw_thresholds, few_ticks
from .palette import method_color

_SYMBOLS = {
    "weight": ("weight $w$", r"quantized weight $\hat w$"),
    "activation": ("activation $x$", r"quantized activation $\hat x$"),
}


def staircase(
    thresholds: Values,
    levels: Values,
    *,
    xlim: tuple[SupportsFloat, SupportsFloat] | None = None,
    ste: bool | tuple[Values, Values] = True,
    method: str = "aoq",
    quantity: Literal["weight", "activation"] = "weight",
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    r"""Transfer function of a quantizer: a staircase that jumps at the thresholds and rests on the levels.

    Draws $\hat w(w)$ in the colour of `method`, one vertical mark per threshold, one horizontal mark per
    level, and dashed what the straight-through gradient takes the quantizer for: the identity (`ste=True`),
    another curve given as (x, y) arrays (LTQ's ramp), or nothing (`ste=False`).

    `thresholds`: (n − 1,) ascending, `levels`: (n,) ascending, in units of the weights. `xlim` defaults to
    the outermost threshold or level plus half the widest bin. Wrong shapes or unsorted values raise
    `ValueError`.
    """
    cuts, values = quantizer_grid(thresholds, levels)
    if quantity not in _SYMBOLS:
        raise ValueError(f"quantity must be one of {list(_SYMBOLS)}, got {quantity!r}")
    low, high = map(float, xlim if xlim is not None else _reach(cuts, values))
    if not low < high:
        raise ValueError(f"xlim must be ascending, got ({low}, {high})")
    ax = current_axes(ax)
    color = method_color(method)
    many = len(values) > FULL_LINES
    draw_thresholds(ax, cuts)
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
    if ste is not False:
        x, y = ((low, high), (low, high)) if ste is True else ste
        name = "straight-through (identity)" if ste is True else "straight-through"
        ax.plot(
            vector(x, "ste x"),
            vector(y, "ste y"),
            color="#333333",
            linewidth=0.9,
            linestyle=(0, (5, 2.5)),
            label=name,
            gid="straight-through",
        )
    inside = cuts[(cuts > low) & (cuts < high)]
    x = np.concatenate(([low], np.repeat(inside, 2), [high]))
    first = int(np.searchsorted(cuts, low, side="right"))
    y = np.repeat(values[first : first + len(inside) + 1], 2)
    ax.plot(
        x,
        y,
        color=color,
        linewidth=2.0,
        solid_joinstyle="miter",
        label="quantizer",
        gid="staircase",
        zorder=3,
    )
    ax.set_xlim(low, high)
    margin = 0.12 * max(float(np.ptp(values)), 1e-12)
    ax.set_ylim(values[0] - margin, values[-1] + margin)
    ax.grid(False)
    few_ticks(ax.xaxis)
    few_ticks(ax.yaxis)
    ax.set_xlabel(_SYMBOLS[quantity][0])
    ax.set_ylabel(_SYMBOLS[quantity][1])
    if legend:
        ax.legend(loc="upper left", **OPAQUE_LEGEND)
    return ax


def _reach(cuts: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    both = np.concatenate((cuts, values))
    bins = np.diff(cuts) if len(cuts) > 1 else np.diff(values)
    margin = 0.5 * float(bins.max()) if len(bins) and bins.max() > 0 else 1.0
    return float(both.min()) - margin, float(both.max()) + margin
