"""The run explorer's picture for print: level shares and courses of one run or two, and their transitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from ...plots import column_label, crossings_over_time, shared_legend, transition_heatmap
from .courses import WHOLE, Course

_TIMES = {"rate": 1000}


def drawn(here: Mapping[str, Course], colors: Sequence[str], layer: str, epoch: int) -> Figure:
    """The runs ``here`` (title → course), all of which have the layer; a row of transition maps where any is known."""
    shades = dict(zip(here, colors, strict=True))
    maps = {title: (course, course.transitions) for title, course in here.items() if course.transitions is not None}
    figure = Figure(figsize=(11, 5.6 + (3 if maps else 0)), layout="constrained")
    parts = figure.subfigures(2 if maps else 1, 1, height_ratios=[5.6, 3] if maps else [1], squeeze=False)[:, 0]
    ((histogram, intervals), (rate, oscillating)) = parts[0].subplots(2, 2)
    _draw_levels(histogram, here, layer, epoch, shades)
    stages = next((course.stages for course in here.values() if course.stages), None)
    for ax, name, label in (
        (intervals, "intervals", "step size $s$"),
        (rate, "rate", column_label("crossings_rate")),
        (oscillating, "oscillating", column_label("oscillating_share")),
    ):
        _draw_course(ax, here, name, layer, shades, stages)
        ax.set_ylabel(label)
        ax.xaxis.set_major_locator(MaxNLocator(7, integer=True))
        ax.axvline(epoch, color="#333333", linewidth=0.9, linestyle=(0, (1, 1.5)), gid="epoch")
    oscillating.yaxis.set_major_formatter(PercentFormatter(1.0))
    for ax in (rate, oscillating):
        ax.set_ylim(bottom=0)
    if layer == WHOLE and intervals.lines[:-1]:
        intervals.set_yscale("log")
    if maps:
        places = {title: course.layers.index(layer) for title, (course, _) in maps.items()}
        counts = np.concatenate([found.of_layer(places[title]) for title, (_, found) in maps.items()])
        limits = (float(counts.min()), float(counts.max())) if len(counts) else None
        axes = np.atleast_1d(parts[1].subplots(1, len(maps)))
        for ax, (title, (course, found)) in zip(axes, maps.items(), strict=True):
            at = min(epoch, course.epochs)
            transition_heatmap(found.within(places[title], at), limits=limits, ax=ax)
            ax.set_title(f"{title}: {f'epoch {at}' if at else 'none before epoch 1'}")
    figure.suptitle(f"{layer}, epoch {epoch}")
    shared_legend(figure)
    return figure


def _draw_levels(ax: Axes, here: Mapping[str, Course], layer: str, epoch: int, colors: Mapping[str, str]) -> None:
    """Shares of weights per level at an epoch, runs side by side; the lines on the bars are the start."""
    for i, (title, course) in enumerate(here.items()):
        shares = course.shares[course.layers.index(layer)]
        width = 0.8 / len(here)
        places = np.arange(shares.shape[1]) + (i - (len(here) - 1) / 2) * width
        ax.bar(places, shares[min(epoch, course.epochs)], width, color=colors[title], label=title, gid=f"levels-{i}")
        ax.hlines(shares[0], places - width / 2, places + width / 2, color="#333333", linewidth=0.9, label="start")
    ax.set(xlabel="code", ylabel=column_label("share"))
    ax.xaxis.set_major_locator(MaxNLocator(16, integer=True))
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))


def _draw_course(
    ax: Axes,
    here: Mapping[str, Course],
    name: str,
    layer: str,
    colors: Mapping[str, str],
    stages: list[tuple[int, int, str]] | None,
) -> None:
    """A number over the epochs; of all layers together where it has one, else each layer's and their mean."""
    frames = []
    for title, course in here.items():
        rows = range(1, len(course.layers)) if name == "intervals" and layer == WHOLE else [course.layers.index(layer)]
        for row in rows:
            values = {"epoch": range(course.epochs + 1), "value": _TIMES.get(name, 1) * getattr(course, name)[row]}
            frames.append(pd.DataFrame({**values, "run": title, "layer": course.layers[row]}).dropna())
    table = pd.concat(frames)
    if table.empty:
        ax.text(0.5, 0.5, "no step size is learned", transform=ax.transAxes, ha="center", va="center")
        ax.set(xlim=(0, max(course.epochs for course in here.values())), xlabel="epoch")
        return
    palette = {title: color for title, color in colors.items() if (table["run"] == title).any()}
    crossings_over_time(
        table, x="epoch", y="value", hue="run", unit="layer", palette=palette, stages=stages, legend=False, ax=ax
    )
    ax.set_xlim(0, max(course.epochs for course in here.values()))
