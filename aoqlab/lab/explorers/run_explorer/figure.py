"""The run explorer's picture for print: level shares and courses of one run or two, and their transitions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from ...plots import column_label, crossings_over_time, shared_legend, transition_heatmap
from .courses import WHOLE, Course

_TIMES = {"rate": 1000}
_DOTTED = (0, (1, 1.5))


def drawn(here: Mapping[str, Course], colors: Sequence[str], layer: str, epoch: int, title: str = "") -> Figure:
    """Draw the runs ``here`` (name -> course), which all have the layer; with a row of transition maps if any is known.

    Rows: shares of levels and step sizes; crossings and oscillating share; accuracy, loss and explored volume of the
    whole network; transitions, all on one scale of colours.
    """
    shades = dict(zip(here, colors, strict=True))
    maps = {name: course for name, course in here.items() if course.transitions is not None}
    heights = [5, 2.2, *([3] if maps else [])]
    figure = Figure(figsize=(11, 0.6 + sum(heights)), layout="constrained")
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    ((histogram, intervals), (rate, oscillating)) = parts[0].subplots(2, 2)
    accuracy, loss, volume = parts[1].subplots(1, 3)
    _draw_levels(histogram, here, layer, epoch, shades)
    for ax, name, label in (
        (intervals, "intervals", "step size $s$"),
        (rate, "rate", column_label("crossings_rate")),
        (oscillating, "oscillating", column_label("oscillating_share")),
        (accuracy, "accuracy", "test accuracy"),
        (loss, "loss", "training loss"),
        (volume, "volume", column_label("explored_volume")),
    ):
        _draw_course(ax, here, name, layer, shades)
        ax.set_ylabel(label)
        ax.xaxis.set_major_locator(MaxNLocator(7, integer=True))
        ax.axvline(epoch, color="#333333", linewidth=0.9, linestyle=_DOTTED, gid="epoch")
    for start in {course.start_accuracy for course in here.values() if np.isfinite(course.start_accuracy)}:
        accuracy.axhline(start, color="#333333", linewidth=0.9, linestyle=_DOTTED, label="full precision", gid="start")
    for ax in (oscillating, accuracy, volume):
        ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    for ax in (rate, oscillating, volume):
        ax.set_ylim(bottom=0)
    if layer == WHOLE and intervals.lines[:-1]:
        intervals.set_yscale("log")
    if maps:
        _draw_maps(parts[2].subplots(1, len(maps), squeeze=False)[0], maps, layer, epoch)
    figure.suptitle(f"{title}\n{layer}, epoch {epoch}".strip())
    shared_legend(figure)
    return figure


def _draw_maps(axes: Iterable[Axes], maps: Mapping[str, Course], layer: str, epoch: int) -> None:
    places = {name: course.layers.index(layer) for name, course in maps.items()}
    counts = np.concatenate([course.ever_moved(places[name]) for name, course in maps.items()])
    limits = (float(counts.min()), float(counts.max())) if len(counts) else None
    for ax, (name, course) in zip(axes, maps.items(), strict=True):
        at = min(epoch, course.epochs)
        transition_heatmap(course.moves(places[name], at), limits=limits, ax=ax)
        ax.set_title(f"{name}: {f'epoch {at}' if at else 'none before epoch 1'}")


def _draw_levels(ax: Axes, here: Mapping[str, Course], layer: str, epoch: int, colors: Mapping[str, str]) -> None:
    """Draw shares of weights per level at an epoch, runs side by side; the lines on the bars are the start."""
    for i, (title, course) in enumerate(here.items()):
        shares = course.shares[course.layers.index(layer)]
        width = 0.8 / len(here)
        places = np.arange(shares.shape[1]) + (i - (len(here) - 1) / 2) * width
        ax.bar(places, shares[min(epoch, course.epochs)], width, color=colors[title], label=title, gid=f"levels-{i}")
        ax.hlines(shares[0], places - width / 2, places + width / 2, color="#333333", linewidth=0.9, label="start")
    ax.set(xlabel="code", ylabel=column_label("share"))
    ax.xaxis.set_major_locator(MaxNLocator(16, integer=True))
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))


def _draw_course(ax: Axes, here: Mapping[str, Course], name: str, layer: str, colors: Mapping[str, str]) -> None:
    """Draw a number over the epochs: of the layer, or of the network; of every layer where all share no number."""
    frames = []
    for title, course in here.items():
        values = np.atleast_2d(getattr(course, name))
        rows = [course.layers.index(layer)] if len(values) > 1 else [0]
        for row in range(1, len(values)) if name == "intervals" and layer == WHOLE else rows:
            line = {"epoch": range(course.epochs + 1), "value": _TIMES.get(name, 1) * values[row]}
            frames.append(pd.DataFrame({**line, "run": title, "layer": course.layers[row]}).dropna())
    table, end = pd.concat(frames), max(course.epochs for course in here.values())
    if table.empty:
        ax.text(0.5, 0.5, "nothing was recorded here", transform=ax.transAxes, ha="center", va="center")
        ax.set(xlim=(0, end), xlabel="epoch")
        return
    stages = next((course.stages for course in here.values() if course.stages), None)
    palette = {title: color for title, color in colors.items() if (table["run"] == title).any()}
    crossings_over_time(
        table, x="epoch", y="value", hue="run", unit="layer", palette=palette, stages=stages, legend=False, ax=ax
    )
    ax.set_xlim(0, end)
