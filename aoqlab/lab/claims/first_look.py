"""What ``bash run.sh`` shows: effects measured now on a few seeds, next to the stored verdicts on many."""

from __future__ import annotations

import math
import time

import pandas as pd

from ..plots import use_style
from ..plots.verdicts import VERDICTS
from ..shared.tables import as_text
from ..toy.problem import RegressionProblem
from . import run_figures
from .experiments import BUDGETS, FIRST, Experiment, experiments
from .families import CLAIMS
from .results import Results, folder_of, load
from .running import reproduce

WIDTH = 80


def main() -> None:
    """Measure on the landscape, the reduced toy problem and the digits network; a minute on two cores."""
    _measure(FIRST, None, "figures: landscape, toy-reduced-*, digits")


def toy(full: bool = False) -> None:
    """Measure on the toy problems alone; ``full`` at the paper's size with as many seeds as verdicts need."""
    if full:
        _measure("cpu", ["toy-full"], "figures: toy-full-*")
    else:
        _measure(FIRST, ["landscape", "toy-reduced"], "figures: landscape, toy-reduced-*")


def _measure(budget: str, data: list[str] | None, figures: str) -> None:
    started = time.perf_counter()
    results = reproduce(budget, data=data)
    use_style()
    for experiment in experiments(budget):
        if data is None or experiment.data in data:
            draw(experiment, results, budget)
    own = results.claims[results.claims["budget"] == budget]
    print(f"Measured in {time.perf_counter() - started:.0f} s ({figures})")
    try:
        stored = load().claims
    except FileNotFoundError:
        stored = pd.DataFrame(columns=["claim", "kind", "budget", "verdict"])
    print(text(own if data is None else own[own["data"].isin(data)], stored))


def draw(experiment: Experiment, results: Results, budget: str) -> None:
    """Draw the figures of one data set from its runs."""
    runs, history = (
        t[(t["data"] == experiment.data) & (t["budget"] == budget)] for t in (results.runs, results.history)
    )
    if experiment.kind == "landscape":
        run_figures.draw_landscape()
    elif isinstance(experiment.problem, RegressionProblem):
        run_figures.draw_toy(experiment.data, experiment.problem, runs, history, folder_of(budget))
    else:
        run_figures.draw_digits(runs, folder_of(budget))


def text(measured: pd.DataFrame, stored: pd.DataFrame) -> str:
    """Return the table of effects with its legend, one sentence on the whole, and where to go next.

    ``measured``, ``stored``: rows of claims, as in :class:`~aoqlab.lab.claims.results.Results`.
    """
    parts = {(claim.id, part.statistic): part for claim in CLAIMS.values() for part in claim.parts}
    rows = [
        {
            "measured now": parts[row["claim"], row["statistic"]].said(row["effect"]),
            "on": row["data"].split("-")[0],
            "n": row["n"],
            "stored verdicts": _verdicts(stored, row["claim"], row["kind"]),
        }
        for row in measured.to_dict("records")
        if row["n"] and math.isfinite(row["effect"])
    ]
    legend = " ".join(f"{look.symbol} {verdict}" for verdict, look in VERDICTS.items())
    return "\n".join(
        [
            as_text(pd.DataFrame(rows), width=WIDTH),
            f"n: seeds; few give no verdict. {legend}",
            whole(stored),
            "Next: `bash run.sh lab` opens the notebooks and the interval explorer;",
            "`bash run.sh reproduce` judges every claim on more seeds.",
        ]
    )


def whole(stored: pd.DataFrame) -> str:
    """Return one sentence on all stored verdicts."""
    if stored.empty:
        return "No verdicts are stored yet."
    found = stored.groupby("claim")["verdict"].agg(set)
    held, failed = (int((found == {verdict}).sum()) for verdict in ("reproduced", "not reproduced"))
    rest = len(found) - held - failed
    return f"Of {len(found)} claims, {held} hold on all data tried and {failed} on none; {rest} are open or mixed."


def _verdicts(stored: pd.DataFrame, claim: str, kind: str) -> str:
    """Return the verdicts on one kind of data by budget, such as ``quick ✓ cpu ✗?``."""
    own = stored[(stored["claim"] == claim) & (stored["kind"] == kind)]
    symbols = {b: "".join(VERDICTS[v].symbol for v in own.loc[own["budget"] == b, "verdict"]) for b in BUDGETS}
    return " ".join(f"{budget} {marks}" for budget, marks in symbols.items() if marks) or "none"
