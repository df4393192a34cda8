"""All comparisons of one claim on all data sets, as a figure of strips."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ._frames import require_columns
from .differences import seed_differences
from .verdicts import short_unit, verdict_look

_WIDTH, _LABEL_WIDTH, _STRIP, _HEAD = 9.6, 2.1, 0.66, 0.55


def claim_evidence(
    claim: pd.DataFrame,
    statistics: pd.DataFrame,
    differences: pd.DataFrame,
    *,
    columns: Iterable[str] | None = None,
    figure: Figure | None = None,
) -> Figure:
    """The evidence on one claim: a row of strips per comparison, a column per data set, each with its own scale.

    `claim`: one row per data set ("data", "verdict"); `statistics`: one per comparison and data set ("statistic",
    "data", "deciding", "unit", "low", "high", "mark", "direction", "verdict"); `differences`: one per comparison, data
    set and seed ("statistic", "data", "difference"). Comparisons that decide come first, in bold and in the colour of
    what each says by itself; the others are grey. Over each column stands the verdict on the claim. Values that are
    not finite are left out and not counted in n. A comparison that was not made on a data set leaves a gap.
    """
    require_columns(claim, ["data", "verdict"], "claim_evidence")
    require_columns(
        statistics,
        ["statistic", "data", "deciding", "unit", "low", "high", "mark", "direction", "verdict"],
        "claim_evidence (statistics)",
    )
    require_columns(differences, ["statistic", "data", "difference"], "claim_evidence (differences)")
    across = [name for name in columns or claim["data"].unique() if name in set(claim["data"])]
    statistics = statistics[statistics["data"].isin(across)]
    down = statistics.sort_values("deciding", ascending=False, kind="stable").drop_duplicates("statistic")
    figure = figure if figure is not None else Figure()
    figure.set_size_inches(_WIDTH, _HEAD + _STRIP * len(down))
    figure.set_layout_engine("none")
    left, top = _LABEL_WIDTH / _WIDTH, 1 - _HEAD / figure.get_figheight()
    margins = {"left": left, "right": 0.985, "top": top, "bottom": 0.36 / figure.get_figheight()}
    grid = figure.subplots(len(down), len(across), squeeze=False, gridspec_kw={**margins, "hspace": 1.15})
    found = {(row["statistic"], row["data"]): row for _, row in statistics.iterrows()}
    for strips, (_, comparison) in zip(grid, down.iterrows(), strict=True):
        _name(strips[0], comparison["statistic"], bold=bool(comparison["deciding"]))
        for ax, data in zip(strips, across, strict=True):
            row = found.get((comparison["statistic"], data))
            here = (differences["statistic"] == comparison["statistic"]) & (differences["data"] == data)
            sample = differences[here & np.isfinite(differences["difference"].astype(float))]
            if row is None or sample.empty:
                ax.set_axis_off()
                ax.text(
                    0.5, 0.5, "not measured here", transform=ax.transAxes, ha="center", va="center", color="#8C8C8C"
                )
            else:
                _strip(ax, row, sample)
    for ax, data in zip(grid[0], across, strict=True):
        verdict = str(claim.loc[claim["data"] == data, "verdict"].iloc[0])
        look = verdict_look(verdict)
        place = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "bottom"}
        ax.annotate(data, (0, 1), xytext=(0, 21), fontsize=8, fontweight="bold", **place)
        ax.annotate(f"{look.symbol} {verdict}", (0, 1), xytext=(0, 10.5), fontsize=7, color=look.color, **place)
    return figure


def _name(ax: Axes, statistic: str, *, bold: bool) -> None:
    ax.annotate(
        textwrap.fill(statistic, 32),
        (0, 0.5),
        xycoords="axes fraction",
        xytext=(-(_LABEL_WIDTH - 0.08) * 72, 0),
        textcoords="offset points",
        va="center",
        fontsize=7,
        fontweight="bold" if bold else "normal",
        annotation_clip=False,
        gid=f"name-{statistic}",
    )


def _strip(ax: Axes, row: pd.Series, sample: pd.DataFrame) -> None:
    name = row["statistic"]
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
    # In the strip's own corner: beside it is the next one.
    for text in [text for text in ax.texts if text.get_gid() == f"word-{name}"]:
        text.remove()
    ax.set_title(f"{short_unit(row['unit'])}", loc="left", fontsize=6, color="#6B6B6B", pad=1.5)
    symbol = f"{verdict_look(row['verdict']).symbol} " if row["deciding"] else ""
    color = verdict_look(row["verdict"]).color if row["deciding"] else "#6B6B6B"
    ax.set_title(f"{symbol}n = {len(sample)}", loc="right", fontsize=6, color=color, pad=1.5)
