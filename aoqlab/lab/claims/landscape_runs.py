"""Runs on the two-dimensional landscape for the claims: a start is what a seed is elsewhere; all takes seconds."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd

from ..toy.landscape import run_landscape, sweep, tuned
from ..toy.wells import LandscapeProblem
from .cells import Tables, origin

SUFFIXES = {"near": "", "anywhere": " anywhere", "tuned": " at its best"}
"""Question -> what follows the method in the name of a variant."""
VARIANTS = tuple(f"{method}{suffix}" for suffix in SUFFIXES.values() for method in ("conventional", "oscillating"))


def run(problem: LandscapeProblem, starts: int) -> Tables:
    """Train both methods from the same starts: near the shallow basin, from anywhere, and each at its best.

    A row per variant and start, with ``found_deep`` (1 where the run ends in the deep basin), ``error`` (f at the end)
    and what else :func:`aoqlab.lab.toy.landscape.sweep` says. The first two have the published settings; the best are
    chosen on the first starts and run on fresh ones, see :func:`aoqlab.lab.toy.landscape.tuned`.
    """
    started = time.perf_counter()
    ends = {
        "near": run_landscape(problem, n_starts=starts).ends,
        "anywhere": run_landscape(problem, starts="uniform", n_starts=starts).ends,
        "tuned": tuned(sweep(problem, n_starts=starts), problem, n_starts=starts),
    }
    runs = pd.concat(
        [own.assign(variant=own["method"] + SUFFIXES[question]) for question, own in ends.items()], ignore_index=True
    ).rename(columns={"start": "seed", "value": "error"})
    truths = runs.select_dtypes(bool).columns
    runs = runs.astype(dict.fromkeys(truths, np.float64)).assign(**origin())
    return Tables(runs.assign(seconds=(time.perf_counter() - started) / len(runs)), pd.DataFrame())
