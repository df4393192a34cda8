"""Differences paired by seed: every seed, the mean with its interval, and the side that a claim predicts."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Any, SupportsFloat

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .tables import require_columns, require_finite, spread
from .verdicts import short_unit, verdict_look

_NEUTRAL = "#6B6B6B"
_WIDTH, _LABEL_WIDTH, _STRIP, _HEAD = 9.6, 2.1, 0.66, 0.75
"""Inches of an evidence figure: whole width, names of its rows, height of a row, names of its columns."""


def seed_differences(
    differences: pd.DataFrame,
    *,
    interval: tuple[SupportsFloat, SupportsFloat] | None = None,
    verdict: str | None = None,
    mark: SupportsFloat = 0.0,
    direction: int = 1,
    unit: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw one comparison as a strip: every seed a point, under them the mean with its interval.

    `differences`: one row per seed, column "difference". `interval` is (low, high), drawn where finite. The vertical
    line is the `mark`; the side of it that the claim predicts (`direction`) is shaded. `verdict` gives the strip its
    colour and its symbol; without one it is grey. The `unit` and the number of seeds n are above.

    A missing column, values that are not finite, a direction other than +1 and -1, and an unknown verdict raise
    `ValueError`.
    """
    require_finite(differences, ["difference"], "seed_differences")
    if direction not in (-1, 1):
        raise ValueError(f"direction must be +1 or -1, got {direction}")
    ax, at = plt.gca() if ax is None else ax, float(mark)
    symbol, color = ("", _NEUTRAL) if verdict is None else (verdict_look(verdict).symbol, verdict_look(verdict).color)
    seeds = differences.assign(row="", place=0.16 + spread(differences.assign(row=""), "row", 0.11))
    sns.scatterplot(seeds, x="difference", y="place", color=color, s=16, alpha=0.6, linewidth=0, zorder=3, ax=ax)
    if interval is not None and np.isfinite([float(end) for end in interval]).all():
        ax.plot([float(end) for end in interval], [-0.22] * 2, color=color, linewidth=1.8, gid="interval", zorder=3)
    diamond: dict[str, Any] = {"marker": "D", "s": 36, "edgecolor": "white", "linewidth": 0.8, "zorder": 4}
    ax.scatter(seeds["difference"].mean(), -0.22, color=color, gid="mean", **diamond)
    ax.axvline(at, color="#1A1A1A", linewidth=0.9, zorder=2, gid="mark")
    left, right = ax.get_xlim()
    claimed = (at, right) if direction == 1 else (left, at)
    ax.axvspan(*claimed, color="#EFEADB", linewidth=0, zorder=0, gid="claimed")
    ax.set(xlim=(left, right), ylim=(-0.5, 0.5), yticks=[], xlabel="", ylabel="")
    ax.spines["left"].set_visible(False)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 5, 10]))
    ax.tick_params(axis="x", labelsize=6, pad=1)
    ax.set_title(short_unit(unit), loc="left", fontsize=6, color=_NEUTRAL, pad=1.5)
    ax.set_title(f"{symbol} n = {len(seeds)}".strip(), loc="right", fontsize=6, color=color, pad=1.5)
    return ax


def claim_evidence(
    claim: pd.DataFrame,
    statistics: pd.DataFrame,
    differences: pd.DataFrame,
    *,
    columns: Iterable[str] | None = None,
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
    rows = {(row["statistic"], row["data"]): row for row in statistics.to_dict("records") if row["data"] in across}
    decides = {statistic: row["deciding"] for (statistic, _), row in rows.items()}
    down = sorted(decides, key=lambda statistic: not decides[statistic])
    figure = Figure()
    figure.set_layout_engine("none")
    figure.set_size_inches(_WIDTH, _HEAD + _STRIP * len(down))
    high = figure.get_figheight()
    margins = {"left": _LABEL_WIDTH / _WIDTH, "right": 0.985, "top": 1 - _HEAD / high, "bottom": 0.36 / high}
    grid = figure.subplots(len(down), len(across), squeeze=False, gridspec_kw={**margins, "hspace": 1.15})
    for strips, name in zip(grid, down, strict=True):
        place: dict[str, Any] = {"xytext": (-72 * (_LABEL_WIDTH - 0.08), 0), "va": "center", "gid": f"name-{name}"}
        weight = "bold" if decides[name] else "normal"
        _note(strips[0], textwrap.fill(name, 28), (0, 0.5), fontsize=7, fontweight=weight, **place)
        for ax, data in zip(strips, across, strict=True):
            row = rows.get((name, data))
            sample = differences[(differences["statistic"] == name) & (differences["data"] == data)]
            sample = sample[np.isfinite(sample["difference"].astype(float))]
            if row is None or sample.empty:
                ax.set_axis_off()
                _note(ax, "not measured here", (0.5, 0.5), xytext=(0, 0), ha="center", va="center", color="#8C8C8C")
                continue
            told: dict[str, Any] = {key: row[key] for key in ("mark", "direction", "unit")}
            verdict = row["verdict"] if row["deciding"] else None
            seed_differences(sample, interval=(row["low"], row["high"]), verdict=verdict, **told, ax=ax)
    for ax, data in zip(grid[0], across, strict=True):
        look = verdict_look(verdicts[data])
        characters = int(11 * _WIDTH / (len(across) + 1))
        _note(ax, textwrap.fill(data, characters), (0, 1), xytext=(0, 21), va="bottom", fontsize=8, fontweight="bold")
        said = f"{look.symbol} {verdicts[data]}"
        _note(ax, said, (0, 1), xytext=(0, 10.5), va="bottom", fontsize=7, color=look.color)
    return figure


def _note(ax: Axes, text: str, at: tuple[float | int, float | int], **look: Any) -> None:
    ax.annotate(text, at, xycoords="axes fraction", textcoords="offset points", annotation_clip=False, **look)
