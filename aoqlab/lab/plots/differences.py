"""Differences paired by seed: every seed, the mean with its interval, and the side that a claim predicts."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any, SupportsFloat

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .marks import few_ticks
from .tables import require_columns, require_finite, spread
from .verdicts import short_unit, verdict_look

_NEUTRAL = "#4D4D4D"
_WIDTH, _LABEL_WIDTH, _STRIP, _HEAD = 9.6, 2.1, 0.66, 0.75
"""Inches of an evidence figure: whole width, names of its rows, height of a row, names of its columns."""


def seed_differences(
    differences: pd.DataFrame,
    *,
    value: str = "difference",
    row: str = "statistic",
    intervals: Mapping[str, tuple[SupportsFloat, SupportsFloat]] | None = None,
    verdicts: Mapping[str, str] | None = None,
    mark: SupportsFloat = 0.0,
    direction: int = 1,
    unit: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw one row per comparison (or data set): every seed a point, under them the mean with its interval.

    `differences`: one row per comparison and seed, columns `value` and `row`; `row` names the lines, in the order in
    which they come. The vertical line is the `mark`; the side of it that the claim predicts (`direction`) is shaded.
    `intervals`: row → (low, high), drawn where finite. `verdicts` (row → verdict) gives a line its colour and its
    symbol and word; a line that decides nothing has none and is grey. The number of seeds n is on the right.

    Missing columns, values that are not finite, a direction other than +1 and -1, and unknown verdicts raise
    `ValueError`.
    """
    require_finite(differences, [value], "seed_differences")
    require_columns(differences, [row], "seed_differences")
    if direction not in (-1, 1):
        raise ValueError(f"direction must be +1 or -1, got {direction}")
    ax, at = plt.gca() if ax is None else ax, float(mark)
    differences = differences.reset_index(drop=True)
    names = list(differences[row].unique())
    words = {name: f"{verdict_look(verdict).symbol} {verdict}, " for name, verdict in (verdicts or {}).items()}
    colors = {name: verdict_look(verdicts[name]).color if verdicts and name in verdicts else _NEUTRAL for name in names}
    places = differences[row].map({name: place for place, name in enumerate(names)}).astype(float)
    shared: dict[str, Any] = {"x": value, "y": "place", "hue": row, "palette": colors, "legend": False, "ax": ax}
    seeds = differences.assign(place=places - 0.16 + spread(differences, row, 0.11))
    sns.scatterplot(seeds, s=16, alpha=0.6, linewidth=0, zorder=3, **shared)
    means = differences.assign(place=places + 0.22).groupby(row, sort=False)[[value, "place"]].mean().reset_index()
    for name, (low, high) in (intervals or {}).items():
        if np.isfinite([float(low), float(high)]).all():
            line: dict[str, Any] = {"color": colors[name], "linewidth": 1.8, "gid": f"interval-{name}"}
            ax.plot([float(low), float(high)], [names.index(name) + 0.22] * 2, **line)
    sns.scatterplot(means, marker="D", s=36, edgecolor="white", linewidth=0.8, zorder=4, **shared)
    for place, name in enumerate(names):
        word = f"{words.get(name, '')}n = {int((differences[row] == name).sum())}"
        beside: dict[str, Any] = {"xytext": (4, 0), "textcoords": "offset points", "va": "center", "fontsize": 6.5}
        where: Any = ax.get_yaxis_transform()
        ax.annotate(word, (1, place), xycoords=where, color=colors[name], gid=f"word-{name}", **beside)
    ax.axvline(at, color="#1A1A1A", linewidth=0.9, zorder=2, gid="mark")
    left, right = ax.get_xlim()
    ax.axvspan(*sorted((at, right if direction == 1 else left)), color="#EFEADB", linewidth=0, zorder=0, gid="claimed")
    ax.set(xlim=(left, right), ylim=(len(names) - 0.5, -0.5), xlabel=unit, ylabel="")
    ax.set_yticks(range(len(names)), names)
    few_ticks(ax.xaxis)
    ax.grid(False, axis="y")
    ax.tick_params(axis="y", length=0)
    return ax


def claim_evidence(
    claim: pd.DataFrame,
    statistics: pd.DataFrame,
    differences: pd.DataFrame,
    *,
    columns: Iterable[str] | None = None,
    figure: Figure | None = None,
) -> Figure:
    """Draw the evidence on one claim: a row of strips per comparison, a column per data set, each with its own scale.

    `claim`: one row per data set ("data", "verdict"); `statistics`: one per comparison and data set ("statistic",
    "data", "deciding", "unit", "low", "high", "mark", "direction", "verdict"); `differences`: one per comparison, data
    set and seed ("statistic", "data", "difference"). Comparisons that decide come first, in bold and in the colour of
    what each says by itself; the others are grey. Above each column is the verdict on the claim. Values that are
    not finite are left out and not counted in n. A comparison that was not made on a data set leaves a gap.
    """
    require_columns(claim, ["data", "verdict"], "claim_evidence")
    needed = ["statistic", "data", "deciding", "unit", "low", "high", "mark", "direction", "verdict"]
    require_columns(statistics, needed, "claim_evidence (statistics)")
    require_columns(differences, ["statistic", "data", "difference"], "claim_evidence (differences)")
    verdicts = dict(zip(claim["data"], claim["verdict"], strict=True))
    across = [name for name in columns or verdicts if name in verdicts]
    statistics = statistics[statistics["data"].isin(across)]
    down = statistics.sort_values("deciding", ascending=False, kind="stable").drop_duplicates("statistic")
    figure = figure if figure is not None else Figure()
    figure.set_layout_engine("none")
    figure.set_size_inches(_WIDTH, _HEAD + _STRIP * len(down))
    high = figure.get_figheight()
    margins = {"left": _LABEL_WIDTH / _WIDTH, "right": 0.985, "top": 1 - _HEAD / high, "bottom": 0.36 / high}
    grid = figure.subplots(len(down), len(across), squeeze=False, gridspec_kw={**margins, "hspace": 1.15})
    for strips, (_, comparison) in zip(grid, down.iterrows(), strict=True):
        name = comparison["statistic"]
        for ax, data in zip(strips, across, strict=True):
            row = statistics[(statistics["statistic"] == name) & (statistics["data"] == data)]
            sample = differences[(differences["statistic"] == name) & (differences["data"] == data)]
            sample = sample[np.isfinite(sample["difference"].astype(float))]
            if row.empty or sample.empty:
                ax.set_axis_off()
                _note(ax, "not measured here", (0.5, 0.5), xytext=(0, 0), ha="center", va="center", color="#8C8C8C")
            else:
                _strip(ax, row.iloc[0], sample)
        weight = "bold" if comparison["deciding"] else "normal"
        place: dict[str, Any] = {"xytext": (-72 * (_LABEL_WIDTH - 0.08), 0), "va": "center", "annotation_clip": False}
        _note(strips[0], textwrap.fill(name, 28), (0, 0.5), fontsize=7, fontweight=weight, gid=f"name-{name}", **place)
    for ax, data in zip(grid[0], across, strict=True):
        look = verdict_look(verdicts[data])
        characters = int(11 * _WIDTH / (len(across) + 1))
        _note(ax, textwrap.fill(data, characters), (0, 1), xytext=(0, 21), va="bottom", fontsize=8, fontweight="bold")
        verdict = f"{look.symbol} {verdicts[data]}"
        _note(ax, verdict, (0, 1), xytext=(0, 10.5), va="bottom", fontsize=7, color=look.color)
    return figure


def _note(ax: Axes, text: str, at: tuple[float | int, float | int], **look: Any) -> None:
    ax.annotate(text, at, xycoords="axes fraction", textcoords="offset points", **look)


def _strip(ax: Axes, row: pd.Series, sample: pd.DataFrame) -> None:
    name, look = row["statistic"], verdict_look(row["verdict"])
    seed_differences(
        sample,
        intervals={name: (row["low"], row["high"])},
        verdicts={name: row["verdict"]} if row["deciding"] else None,
        mark=row["mark"],
        direction=int(row["direction"]),
        ax=ax,
    )
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 5, 10]))
    ax.tick_params(axis="x", labelsize=6, pad=1)
    # Above the strip rather than to its right, where the next one is.
    ax.texts[0].remove()
    ax.set_title(short_unit(row["unit"]), loc="left", fontsize=6, color="#6B6B6B", pad=1.5)
    symbol, color = (f"{look.symbol} ", look.color) if row["deciding"] else ("", "#6B6B6B")
    ax.set_title(f"{symbol}n = {len(sample)}", loc="right", fontsize=6, color=color, pad=1.5)
