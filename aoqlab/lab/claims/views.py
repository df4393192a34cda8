"""Which of the stored results are shown, and in which order: what the notebooks and the report draw from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..plots import claim_evidence, use_style, verdict_grid
from ..plots.saving import save_figure
from ..shared import paths
from .claim import Best
from .experiments import BUDGETS
from .families import CLAIMS
from .families.exploration import per_crossing
from .results import FILES, Results

OVERVIEW = "verdicts"
"""Name of the picture in README."""
KINDS = ("landscape", "toy", "network")
PLACES = {name: place for place, name in enumerate((*KINDS, *BUDGETS, *CLAIMS))}
"""Kinds of data, budgets and claims, each in the order in which they are shown."""


def _in_order(claims: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Sort by columns of kinds, budgets or claims, then by data set."""
    return claims.sort_values([*columns, "data"], kind="stable", key=lambda c: c if c.name == "data" else c.map(PLACES))


def one_each(claims: pd.DataFrame) -> pd.DataFrame:
    """One row per claim and data set, that of the largest budget; claims in their order, toy problems first."""
    return _in_order(claims, "claim", "kind", "budget").drop_duplicates(["claim", "data"], keep="last")


def data_sets(results: Results) -> list[str]:
    """All data sets with results, toy problems first, then by budget."""
    return list(_in_order(one_each(results.claims), "kind", "budget")["data"].unique())


def absent(claims: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Return what a claim and a data set without a verdict show: "not tried", or "–" where nothing can be asked."""
    kinds = claims.drop_duplicates("data").set_index("data")["kind"]
    return {
        (name, data): "not tried" if claim.concerns(kind) else "–"
        for name, claim in CLAIMS.items()
        for data, kind in kinds.items()
    }


def largest(table: pd.DataFrame, data: str) -> pd.DataFrame:
    """Return the rows of a table on one data set, at the largest budget that it was tried with."""
    own = table[table["data"] == data]
    budgets = [budget for budget in BUDGETS if budget in set(own["budget"])]
    return own[own["budget"].isin(budgets[-1:])]


def overview(results: Results) -> Figure:
    """Draw claims by data sets, each cell a verdict with its effect."""
    grid, data = one_each(results.claims), data_sets(results)
    figure = Figure(figsize=(2 + 1.55 * len(data), 0.42 * len(CLAIMS) + 0.4), layout="constrained")
    verdict_grid(grid, rows=CLAIMS, columns=data, absent=absent(grid), ax=figure.subplots())
    return figure


def save_overview(results: Results) -> Path:
    """Write the picture of the stored verdicts into ``figures/``, with its record; return its path."""
    with use_style():
        saved = save_figure(
            overview(results),
            OVERVIEW,
            parameters={"verdicts": verdicts(results)},
            data=paths.results_dir() / FILES["claims"],
            formats=["png"],
            dpi=130,
        )
    return saved["png"]


def verdicts(results: Results) -> dict[str, dict[str, str]]:
    """Return claim -> data set -> verdict, as the overview shows it and its record keeps it."""
    shown = one_each(results.claims)
    return {claim: dict(zip(own["data"], own["verdict"], strict=True)) for claim, own in shown.groupby("claim")}


def evidence(results: Results, claim: str) -> Figure:
    """Every comparison of one claim on every data set it was tried on, seed by seed."""
    shown = one_each(results.claims)
    shown = shown[shown["claim"] == claim]
    keys = ["claim", "data", "budget"]
    here = (table.merge(shown[keys], on=keys) for table in (results.statistics, results.differences))
    return claim_evidence(shown, *here, columns=data_sets(results))


def error_labels(results: Results) -> dict[str, str]:
    """Return the label of an axis that shows the column ``error``, by data set."""
    labels = {"landscape": "f at the end", "toy": "mean squared error", "network": "test error (points)"}
    return {row.data: labels[row.kind] for row in results.claims.drop_duplicates("data").itertuples()}


def panels(
    results: Results,
    table: str,
    choose: Callable[[pd.DataFrame], pd.DataFrame],
    *,
    needs: Sequence[str] = (),
    columns: int = 0,
    height: float = 3.0,
    sharey: bool = False,
) -> tuple[Figure, dict[str, tuple[Axes, pd.DataFrame]]]:
    """Make a figure with a panel per data set; return it with what to draw on each: data set -> (axes, rows).

    ``choose`` picks from the rows of ``results.<table>`` at the largest budget; data sets of which nothing is left have
    no panel. Rows without a finite value in one of ``needs`` are left out, and the title says how many. ``columns``:
    panels side by side (0: all). Height is inches per row.
    """
    chosen = {data: choose(largest(getattr(results, table), data)) for data in data_sets(results)}
    usable = {data: rows[np.isfinite(rows[[*needs]].astype(float)).all(axis=1)] for data, rows in chosen.items()}
    usable = {data: rows for data, rows in usable.items() if len(rows)}
    across = max(min(columns or len(usable), len(usable)), 1)
    down = max(-(-len(usable) // across), 1)
    figure = Figure(figsize=(9.6 if across > 1 else 6.0, height * down), layout="constrained")
    grid = list(figure.subplots(down, across, squeeze=False, sharey=sharey).flat)
    for ax in grid[len(usable) :]:
        ax.set_axis_off()
    if not usable:
        grid[0].text(0.5, 0.5, "no runs of these are stored", ha="center", va="center")
    for ax, (data, rows) in zip(grid, usable.items(), strict=False):
        lost = len(chosen[data]) - len(rows)
        ax.set_title(
            f"{data}, n = {rows['seed'].nunique()}" + (f"\n{lost} runs without a finite value" if lost else ""),
            fontsize="small" if across > 4 else None,  # otherwise long names run into each other
        )
    return figure, {data: (ax, rows) for ax, (data, rows) in zip(grid, usable.items(), strict=False)}


def wide(values: pd.Series) -> bool:
    """Whether values that are all positive differ so much that only a logarithmic scale shows each."""
    return bool(0 < 5 * values.min() < values.max())


def in_groups(runs: pd.DataFrame, *groups: str) -> pd.DataFrame:
    """Return the runs of variants that are in any of these groups."""
    return runs[runs["groups"].str.split("|").map(lambda own: bool(set(groups) & set(own))).astype(bool)]


def shrink_mins(variants: pd.Series, published: float) -> pd.Series:
    """Return the smallest shrink factor of each AOQ variant by its name; the published one where it has none."""
    found = variants.str.extract(r"shrink_min=([0-9.]+)", expand=False)
    return found.astype(float).fillna(published)


def best_per_rate(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the runs of the variant with the least mean error, per method and rate, of those tuned over."""
    tried = runs[runs["groups"].str.contains("grid", regex=False)]
    # A setting with a failed run is no best one.
    errors = tried["error"].where(np.isfinite(tried["error"].astype(float)), 1e12)
    means = errors.groupby([tried["method"], tried["lr"], tried["variant"]]).mean().reset_index()
    return tried[tried["variant"].isin(means.loc[means.groupby(["method", "lr"])["error"].idxmin(), "variant"])]


def worth_of_crossings(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the runs of LSQ and AOQ that differ from the published settings in the rate alone."""
    tried = runs[runs["variant"].str.replace(r" lr=\S+$", "", regex=True).isin(["lsq", "aoq"])]
    return tried.assign(per_crossing=per_crossing(tried))


def tuned_errors(runs: pd.DataFrame) -> pd.DataFrame:
    """Return a row per method and seed: the error at its best setting, chosen on the other half of the seeds."""
    groups = sorted({group for groups in runs["groups"] for group in groups.split("|") if group.endswith(" grid")})
    found = [
        Best(group).of(runs, "error").rename("error").reset_index().assign(method=group.removesuffix(" grid"))
        for group in groups
        if group != "others grid"
    ]
    return pd.concat(found, ignore_index=True) if found else runs[:0]
