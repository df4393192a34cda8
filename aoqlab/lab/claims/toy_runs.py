"""Runs of the toy regression for the claims: what is missing is trained, and every finished run is kept."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from ..toy.regression import EnsembleResult, RegressionProblem, RunConfig, make_data, run_ensemble
from . import cache, measure
from .cache import VERSION, Kept

RECORDS = 40
TRACKED = ("changed_share", "hamming_share", "levels_visited", "explored_volume", "true_codes")


def run(
    problem: RegressionProblem,
    configs: Mapping[str, RunConfig],
    seeds: Sequence[int],
    *,
    folder: Path,
    progress: Callable[[int], object] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every variant (name -> settings) on every seed: a row per run, and a row per run and record.

    What ``folder`` holds is read; the rest is trained, seed by seed, and kept once its seed is done. Variants of the
    same settings share a run. With the compiled kernel no number of a run but its ``seconds`` depends on what else is
    trained. ``progress`` is called with training steps done, ``problem.steps`` for each run of the result, kept ones at
    once. Errors are mean squared errors on all samples; rates are per weight and 1000 steps.
    """
    plan = {seed: {name: _key(problem, config, seed) for name, config in configs.items()} for seed in seeds}
    cells = Counter(key for keys in plan.values() for key in keys.values())
    found = {key: kept for key in cells if (kept := cache.read(folder, key)) is not None}
    report = progress or (lambda steps: None)
    if found:
        report(problem.steps * sum(cells[key] for key in found))
    for seed, keys in plan.items():
        wanted = {key: configs[name] for name, key in keys.items() if key not in found}
        if wanted:
            started = time.perf_counter()
            result = run_ensemble(
                list(wanted.values()),
                [seed],
                problem,
                records=RECORDS,
                intervals=True,
                separate_losses=True,
                progress=report,
            )
            seconds = (time.perf_counter() - started) / len(wanted)
            for number, key in enumerate(wanted):
                found[key] = cache.write(folder, key, _measured(problem, result, number, seconds))
            if shared := sum(cells[key] - 1 for key in wanted):
                report(problem.steps * shared)
    rows, histories = [], []
    for seed, keys in plan.items():
        for name, key in keys.items():
            kept = found[key]
            rows.append({"variant": name, "seed": seed, **configs[name].describe(), **kept.scalars, **kept.origin})
            histories.append(found[key].history.assign(variant=name, seed=seed))
    return pd.DataFrame(rows), pd.concat(histories, ignore_index=True) if histories else pd.DataFrame()


def missing(problem: RegressionProblem, configs: Mapping[str, RunConfig], seeds: Sequence[int], folder: Path) -> int:
    """How many training steps :func:`run` would take."""
    keys = {_key(problem, config, seed) for config in configs.values() for seed in seeds}
    return problem.steps * sum(cache.read(folder, key) is None for key in keys)


def lossless_overlap(problem: RegressionProblem, seed: int) -> float:
    """Overlap (see :func:`~.measure.overlap`) where every weight ends at its true value, with zero loss."""
    data = make_data(problem, seed)
    return measure.overlap(data.start.numpy(), data.true_weights.numpy())


def _key(problem: RegressionProblem, config: RunConfig, seed: int) -> str:
    settings = {"version": VERSION, "problem": asdict(problem), "config": asdict(config), "seed": int(seed)}
    return "toy-" + hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def _measured(problem: RegressionProblem, result: EnsembleResult, number: int, seconds: float) -> Kept:
    """One run in the data model that toy problems and networks share."""
    own = result.runs.loc[number]
    records = result.history[result.history["run"] == number].set_index("step")
    frame = measure.over_layers(records.reset_index())
    interval, loss = (records.loc[frame["step"], name].to_numpy() for name in ("step_size", "loss"))
    frame["level_interval"], frame["loss"] = interval / interval[0], loss
    history = measure.normalised(frame, problem.steps)
    blocks = result.intervals[result.intervals["run"] == number]
    scalars = {
        "error": own["loss"],
        "crossings": own["crossings_per_step"] * measure.PER,
        "returns": own["oscillations"] / own["crossings"] if own["crossings"] else np.nan,
        **{name: own[name] for name in TRACKED},
        **measure.scalars(history),
        **measure.interval_scalars(blocks),
        "overlap": measure.overlap(result.start[own["seed"]], result.codes[number]),
        "steps": problem.steps,
        "seconds": seconds,
    }
    return Kept({name: float(value) for name, value in scalars.items()}, history)
