"""Marks that several figures share: stages of a training, ticks of logarithmic axes, one legend for all panels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, SupportsFloat

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from .labels import column_label, format_number

Stages = Sequence[tuple[SupportsFloat, SupportsFloat, str]]
NOTE: dict[str, Any] = {"loc": "right", "fontsize": 7, "color": "#6B6B6B"}
"""How a title at the right tells the number of runs."""


def draw_stages(ax: Axes, stages: Stages | None) -> None:
    """Draw `(start, end, name)` spans: every second one is shaded, a thin line separates neighbours."""
    if not stages:
        return
    spans = [(float(start), float(end), name) for start, end, name in stages]
    for number, (start, end, name) in enumerate(spans):
        if not start < end:
            raise ValueError(f"stage {name!r} must end after it starts, got {start} to {end}")
        if number % 2 == 0:
            ax.axvspan(start, end, color="#F3F1EA", linewidth=0, zorder=0, gid=f"stage-{name}")
        if number:
            ax.axvline(start, color="#8C8C8C", linewidth=0.6, linestyle=(0, (1, 2)), zorder=2.5)
    # A second axis rather than texts: titles and the layout then keep clear of the names by themselves.
    top = ax.secondary_xaxis("top")
    top.set_xticks([(start + end) / 2 for start, end, _ in spans], [name for *_, name in spans])
    top.tick_params(length=0, pad=1, labelcolor="#6B6B6B")
    top.spines["top"].set_visible(False)


def few_ticks(axis: Axis) -> None:
    """Set at most eight round ticks, so that labels such as −0.75 stay apart in a narrow panel."""
    axis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 5, 10]))


def log_ticks(axis: Axis, low: float, high: float) -> None:
    """Set the ticks of a logarithmic axis that spans `low` to `high` as plain numbers: 20, 50, 100."""
    decades_apart = (1.0, 2.0, 3.0, 4.0, 6.0) if high < 20 * low else (1.0, 2.0, 5.0) if high < 1e3 * low else (1.0,)
    narrow = high < 2.5 * low
    axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]) if narrow else LogLocator(subs=decades_apart))
    axis.set_major_formatter(lambda value, _: format_number(value))
    axis.set_minor_locator(NullLocator())


def make_log(ax: Axes, which: Literal["x", "y"]) -> None:
    """Make an axis logarithmic, with plain numbers at its ticks."""
    ax.set(**{f"{which}scale": "log"})
    axis = ax.xaxis if which == "x" else ax.yaxis
    log_ticks(axis, *axis.get_view_interval())


def draw_legend(ax: Axes, hue: str, legend: bool, **where: Any) -> None:
    """Draw the legend of the hues, titled by the hue unless the entries are methods; or remove what there is."""
    found = ax.get_legend()
    if found is not None:
        found.remove()
    if legend:
        ax.legend(title=None if hue == "method" else column_label(hue), **where)


def shared_legend(figure: Figure) -> Legend | None:
    """Return one legend for all panels, each name once, below the figure; None where no panel names anything.

    What is in brackets behind a name, as in "LSQ (n = 5)", may differ between panels and is left out.
    """
    names: dict[str, Artist] = {}
    for ax in figure.axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            names.setdefault(label.split(" (")[0], handle)
    if not names:
        return None
    return figure.legend(list(names.values()), list(names), loc="outside lower center", ncols=4)
