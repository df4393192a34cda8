"""Marks that several figures share: a quantizer's thresholds and levels, ticks of logarithmic scales."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import Formatter, FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from .palette import format_number

# With more levels than this, full lines would make a grey block: only short marks at the edge are drawn.
FULL_LINES = 16

OPAQUE_LEGEND: dict[str, Any] = {"frameon": True, "framealpha": 1.0, "edgecolor": "none", "fancybox": False}


def draw_thresholds(ax: Axes, thresholds: NDArray[Any]) -> None:
    """One vertical dashed line per threshold; short marks on the x axis where there are many."""
    many = len(thresholds) >= FULL_LINES
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


def few_ticks(axis: Axis) -> None:
    """At most eight round ticks, so that labels such as −0.75 stay apart in a narrow panel."""
    axis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 5, 10]))


def plain_log_ticks(axis: Axis, low: float, high: float, formatter: Formatter | None = None) -> None:
    """Ticks of a logarithmic axis that spans `low` to `high`, as plain numbers: 20, 50, 100."""
    if high < 2.5 * low:
        axis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
    else:
        subs = (1.0, 2.0, 3.0, 4.0, 6.0) if high < 20 * low else (1.0, 2.0, 5.0) if high < 1e3 * low else (1.0,)
        axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(formatter or FuncFormatter(lambda value, _: format_number(value)))
    axis.set_minor_locator(NullLocator())
