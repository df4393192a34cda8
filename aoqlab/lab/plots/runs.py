"""Outcomes of runs: methods side by side, against one setting, one number against another."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray

from .labels import format_number, label_axes
from .marks import NOTE, draw_legend, make_log
from .palette import hue_colors, hued
from .tables import best_row, count_range, require_columns, require_finite, setting_means, spread

Interval = Callable[[NDArray[np.float64]], tuple[float, float]]
_LABEL = 0.33
"""Inches that the label of a tick takes."""


def method_comparison(
    runs: pd.DataFrame,
    *,
    value: str,
    hue: str = "method",
    errorbar: Interval | None = None,
    palette: Mapping[Any, Any] | None = None,
    logy: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw one column per method: every run a point, next to them the mean with its interval.

    `runs`: one row per run (seed), columns `value` and `hue`. `errorbar` computes the interval (low, high)
    from the values of a method; without it, and for a method with one run, none is drawn. The number of runs
    n is under each name. Missing columns and values that are not finite raise `ValueError`.
    """
    require_finite(runs, [value], "method_comparison")
    require_columns(runs, [hue], "method_comparison")
    ax = plt.gca() if ax is None else ax
    frame, hues = hued(runs, hue, palette)
    places = frame["name"].map({name: place for place, name in enumerate(hues["hue_order"])}).astype(float)
    # seaborn averages in the units of the axis: on a logarithmic one the mean would be the geometric mean.
    ax.set_yscale("linear")
    shared: dict[str, Any] = {"x": "place", "y": value, **hues, "legend": False, "ax": ax}
    seeds = frame.assign(place=places - 0.12 + spread(frame, "name", 0.13))
    sns.scatterplot(seeds, s=14, alpha=0.55, linewidth=0, **shared)
    sns.pointplot(
        frame.assign(place=places + 0.2),
        errorbar=None if errorbar is None else lambda sample: errorbar(np.asarray(sample, dtype=np.float64)),
        native_scale=True,
        linestyle="none",
        marker="D",
        markersize=4.8,
        markeredgecolor="white",
        markeredgewidth=0.7,
        capsize=0.1,
        err_kws={"linewidth": 1.4},
        **shared,
    )
    counts = frame["name"].value_counts()
    ax.set_xticks(range(len(counts)), [f"{_wrapped(name)}\nn = {counts[name]}" for name in hues["hue_order"]])
    ax.set(xlim=(-0.55, len(counts) - 0.45), xlabel="")
    ax.grid(False, axis="x")
    ax.tick_params(axis="x", length=0)
    label_axes(ax, None, value)
    if logy:
        make_log(ax, "y")
    return ax


def interval_profile(
    runs: pd.DataFrame,
    *,
    x: str = "shrink_min",
    y: str = "loss",
    hue: str = "lr",
    reference: pd.DataFrame | None = None,
    reference_settings: Sequence[str] = (),
    logx: bool = False,
    logy: bool = False,
    best: bool = True,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draw an outcome against one setting: every run a point, their mean a line per hue, the least mean ringed.

    `runs`: one row per run, columns `x`, `y`, `hue` (numbers, or methods). Runs that are not finite are
    left out as points, and their setting's mean breaks the line. `reference`: the runs of another method,
    column `y` and the columns `reference_settings` that tell its settings apart; the setting with the least
    mean is drawn as a horizontal line, with a band from its least to its greatest run, in the colour of its
    column "method" where that names one. `best=False` rings no mean, for measures of which less is not better.

    Missing columns, and no setting with only finite runs, raise `ValueError`.
    """
    require_columns(runs, [x, y, hue], "interval_profile")
    table = setting_means(runs, [hue, x], y)
    best_hue, best_x = best_row(table["mean"], lower_is_better=True)
    ax = plt.gca() if ax is None else ax
    frame, hues = hued(runs, hue)
    sns.scatterplot(frame, x=x, y=y, s=8, alpha=0.5, linewidth=0, legend=False, ax=ax, **hues)
    for value, (color, name) in hue_colors(runs[hue]).items():
        # Not by seaborn, whose lines continue over what is missing.
        ax.plot(table["mean"].xs(value, level=hue), color=color, label=name, zorder=3)
    if best:
        ring: dict[str, Any] = {"s": 80, "facecolor": "none", "edgecolor": "black", "linewidth": 1.2, "zorder": 4}
        ax.scatter(best_x, table["mean"][best_hue, best_x], label="best mean", gid="optimum", **ring)
    if reference is not None:
        _draw_reference(ax, reference, y, reference_settings)
    label_axes(ax, x, y)
    if logx:
        _setting_ticks(ax, sorted(runs[x].unique()))
    if logy:
        make_log(ax, "y")
    ax.set_title(f"n = {count_range(table['n'])} per setting", **NOTE)
    draw_legend(ax, hue, legend, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


def run_scatter(
    runs: pd.DataFrame,
    *,
    x: str,
    y: str,
    hue: str = "method",
    setting: str | None = None,
    line: bool = False,
    logx: bool = False,
    palette: Mapping[Any, Any] | None = None,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draw every run as a small point, the mean of every setting as a large one; `line` joins them in order of `x`.

    `runs`: one row per run, columns `x`, `y`, `hue` and `setting` (default: `hue`), which tells apart what is
    averaged. The legend counts runs. Missing columns and values that are not finite raise `ValueError`.
    """
    setting = setting or hue
    require_finite(runs, [x, y], "run_scatter")
    require_columns(runs, [hue, setting], "run_scatter")
    ax = plt.gca() if ax is None else ax
    frame, hues = hued(runs.assign(run=range(len(runs))), hue, palette, count="run")
    sns.scatterplot(frame, x=x, y=y, s=9, alpha=0.35, linewidth=0, legend=False, ax=ax, **hues)
    means = frame.groupby(["name", setting])[[x, y]].mean().reset_index()
    large: dict[str, Any] = {"marker": "o", "markersize": 5, "linewidth": 0.8, "linestyle": "-" if line else "none"}
    sns.lineplot(means, x=x, y=y, estimator=None, zorder=3, legend="full", ax=ax, **large, **hues)
    label_axes(ax, x, y)
    if logx:
        make_log(ax, "x")
    draw_legend(ax, hue, legend)
    return ax


def _wrapped(name: str) -> str:
    lines = name.replace(" + ", "\n+ ").replace(", ", ",\n").split("\n")
    return "\n".join(textwrap.fill(line, 13, break_long_words=False) for line in lines)


def _draw_reference(ax: Axes, reference: pd.DataFrame, y: str, settings: Sequence[str]) -> None:
    require_columns(reference, [y, *settings], "interval_profile (reference)")
    if settings:
        best = best_row(setting_means(reference, settings, y)["mean"], lower_is_better=True)
        groups = reference.groupby([*settings], dropna=False)
        reference = groups.get_group(best if isinstance(best, tuple) else (best,))
    names = reference["method"].unique() if "method" in reference else []
    color, name = next(iter(hue_colors(names).values())) if len(names) == 1 else ("#6B6B6B", "reference")
    values = reference[y].astype(float)
    label = f"{name} at its best (n = {len(values)})"
    ax.axhspan(values.min(), values.max(), color=color, alpha=0.15, linewidth=0, gid="reference-band", zorder=1)
    ax.axhline(values.mean(), color=color, linestyle=(0, (5, 2)), linewidth=1.2, label=label, gid="reference")


def _setting_ticks(ax: Axes, settings: list[float]) -> None:
    """Make the x axis logarithmic, with a tick at every setting tried, labelled where there is room."""
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(FixedLocator(settings))
    inches = ax.get_window_extent().width / ax.figure.dpi
    room = _LABEL * max(np.log10(settings[-1] / settings[0]), 1e-9) / inches  # in decades
    written: list[float] = []
    for setting in settings:
        if not written or np.log10(setting / written[-1]) >= room:
            written.append(setting)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: format_number(value) if value in written else ""))
    ax.xaxis.set_minor_locator(NullLocator())
