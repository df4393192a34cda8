"""Training stages behind a time course: shaded spans, named on top."""

from __future__ import annotations

from collections.abc import Sequence
from typing import SupportsFloat

from matplotlib.axes import Axes

Stages = Sequence[tuple[SupportsFloat, SupportsFloat, str]]


def draw_stages(ax: Axes, stages: Stages | None, *, shade: bool = True) -> None:
    """Draws `(start, end, name)` spans; every second one is shaded, a thin line parts neighbours."""
    if not stages:
        return
    spans = [(float(start), float(end), name) for start, end, name in stages]
    for number, (start, end, name) in enumerate(spans):
        if not start < end:
            raise ValueError(f"stage {name!r} must end after it starts, got {start} to {end}")
        if shade and number % 2 == 0:
            ax.axvspan(start, end, color="#F3F1EA", linewidth=0, zorder=0, gid=f"stage-{name}")
        if number:
            ax.axvline(start, color="#8C8C8C", linewidth=0.6, linestyle=(0, (1, 2)), zorder=2.5)
    # A second axis rather than texts: titles and the layout then keep clear of the names by themselves.
    top = ax.secondary_xaxis("top")
    top.set_xticks([(start + end) / 2 for start, end, _ in spans], [name for *_, name in spans])
    top.tick_params(length=0, pad=1, labelcolor="#6B6B6B")
    top.spines["top"].set_visible(False)
