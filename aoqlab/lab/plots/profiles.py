"""A cut through the surface: an outcome against one setting, every run visible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ._frames import current_axes, require_columns
from ._marks import plain_log_ticks
from ._statistics import best_row, count_range, setting_means
from .labels import column_label
from .palette import format_number, hue_colors

_LABEL = 0.33
"""Inches that the label of a tick takes."""
_SETTINGS = ("lr", "shrink_min", "initial_step", "step_init", "bits")


def interval_profile(
    runs: pd.DataFrame,
    *,
    x: str = "shrink_min",
    y: str = "loss",
    hue: str = "lr",
    lower_is_better: bool = True,
    reference: pd.DataFrame | None = None,
    reference_settings: Sequence[str] | None = None,
    logx: bool = False,
    logy: bool = False,
    best: bool = True,
    palette: Mapping[Any, Any] | None = None,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """An outcome against one setting: every run a point, their mean a line per hue, the best mean ringed.

    `runs`: one row per run, columns `x`, `y`, `hue` (numbers, or methods). Runs that are not finite are
    left out as points, and their setting's mean breaks the line. `reference`: the runs of another method,
    columns `y` and its settings (`reference_settings`; default: `hue`, "lr", "shrink_min", "initial_step",
    "step_init" and "bits" where they vary); the setting with the best mean is drawn as a horizontal line,
    with a band from its least to its greatest run, in the colour of its column "method" where that names
    one. `best=False` rings no mean, for measures of which neither more nor less is better.

    Missing columns, and no setting with only finite runs, raise `ValueError`.
    """
    require_columns(runs, [x, y, hue], "interval_profile")
    if reference is not None:
        require_columns(reference, [y], "interval_profile (reference)")
    table = setting_means(runs, [hue, x], y)
    best_hue, best_x = best_row(table["mean"], lower_is_better=lower_is_better)
    ax = current_axes(ax)
    hues = hue_colors(runs[hue], palette)
    for value, (color, name) in hues.items():
        ours = runs[(runs[hue] == value) & np.isfinite(runs[y].astype(float))]
        ax.plot(
            ours[x],
            ours[y],
            "o",
            color=color,
            markersize=2.6,
            alpha=0.5,
            markeredgewidth=0,
            gid=f"seeds-{value}",
        )
        mean = table["mean"].xs(value, level=hue)
        ax.plot(mean.index, mean, color=color, label=name, zorder=3, gid=f"mean-{value}")
    if best:
        ax.plot(
            [best_x],
            [table["mean"][best_hue, best_x]],
            "o",
            markersize=9,
            markerfacecolor="none",
            markeredgecolor="black",
            markeredgewidth=1.2,
            linestyle="",
            label="best mean",
            zorder=4,
            gid="optimum",
        )
    # Last, so that it stands below the hues in the legend.
    if reference is not None:
        _draw_reference(ax, reference, y, hue, reference_settings, lower_is_better)
    if logx:
        _log_ticks(ax, sorted(runs[x].unique()))
    if logy:
        ax.set_yscale("log")
        plain_log_ticks(ax.yaxis, *ax.get_ylim())
    ax.set_xlabel(column_label(x))
    ax.set_ylabel(column_label(y))
    ax.set_title(f"n = {count_range(table['n'])} per setting", loc="right", fontsize=7, color="#6B6B6B")
    if legend:
        ax.legend(title=None if hue == "method" else column_label(hue), loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


def _draw_reference(
    ax: Axes, reference: pd.DataFrame, y: str, hue: str, settings: Sequence[str] | None, lower_is_better: bool
) -> None:
    if settings is None:
        known = dict.fromkeys((hue, *_SETTINGS))
        settings = [key for key in known if key in reference and reference[key].nunique(dropna=False) > 1]
    require_columns(reference, settings, "interval_profile (reference)")
    keys = list(settings)
    chosen = reference
    where = ""
    if keys:
        means = setting_means(reference, keys, y)["mean"]
        best = best_row(means, lower_is_better=lower_is_better)
        picked = best if isinstance(best, tuple) else (best,)
        for key, setting in zip(keys, picked, strict=True):
            chosen = chosen[chosen[key].isna()] if pd.isna(setting) else chosen[chosen[key] == setting]
        where = ", ".join(
            f"{_symbol(key)} = {format_number(float(setting))}"
            for key, setting in zip(keys, picked, strict=True)
            if isinstance(setting, (int, float, np.number)) and not pd.isna(setting)
        )
    names = list(chosen["method"].unique()) if "method" in chosen.columns else []
    color, name = next(iter(hue_colors(names).values())) if len(names) == 1 else ("#6B6B6B", "reference")
    values = chosen[y].astype(float)
    label = f"{name} at its best (n = {len(values)})" + (f"\n{where}" if where else "")
    ax.axhspan(values.min(), values.max(), color=color, alpha=0.15, linewidth=0, gid="reference-band", zorder=1)
    ax.axhline(values.mean(), color=color, linestyle=(0, (5, 2)), linewidth=1.2, label=label, gid="reference")


def _symbol(column: str) -> str:
    """The symbol in a column's label, or its name where the label has none."""
    label = column_label(column)
    return f"${label.split('$')[1]}$" if label.count("$") >= 2 else column


def _log_ticks(ax: Axes, settings: list[float]) -> None:
    """A logarithmic x axis with its ticks at the settings tried, as plain numbers where there is room for them."""
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
