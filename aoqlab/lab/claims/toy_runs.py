"""Runs of the toy regression for the claims: what is missing is trained, and every finished run is kept."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..shared.processes import side_by_side
from ..toy.regression import EnsembleResult, RegressionProblem, RunConfig, make_data, one_thread, run_ensemble
from ..toy.samples import FOLLOWED, packed, sample_of
from . import cells, measures
from .cells import Cell, Kept, Tables

VERSION = 4
"""Part of every key: a change to what is measured makes all runs again."""
RECORDS = 40
SAMPLED = 2
"""Single weights are kept at every second record."""
TOGETHER = 64
"""Runs that one process trains together: they share the reading of the data."""
TRACKED = ("changed_share", "hamming_share", "levels_visited", "explored_volume", "true_codes")


def run(
    problem: RegressionProblem,
    configs: Mapping[str, RunConfig],
    seeds: Sequence[int],
    *,
    folder: Path,
    jobs: int = 1,
    sampled: Collection[str] = (),
    progress: Callable[[int], object] | None = None,
) -> Tables:
    """Train every variant (name -> settings) on every seed: a row per run, and a row per run and record.

    What ``folder`` holds is read; the rest is trained, many runs of a seed together, and kept once these are done;
    ``jobs`` processes do so side by side (-1: one per core), with one thread each. Variants of the same settings share
    a run. ``sampled``: variants of which single weights are kept on the first seed. With the compiled kernel no number
    of a run but its ``seconds`` depends on what else is trained. ``progress`` is called with 1 for each run of the
    result, kept ones at once. Errors are mean squared errors on all samples; rates are per weight and 1000 steps.
    """
    wanted_cells = _cells(problem, configs, seeds, sampled)
    samples = {cell.key: cell for cell in wanted_cells if cell.config[2]}

    def make(wanted: Mapping[str, Any]) -> Iterator[tuple[str, Kept]]:
        of_seed: dict[int, list[str]] = {}
        for key, (_, seed, _) in wanted.items():
            of_seed.setdefault(seed, []).append(key)
        groups = [keys[at : at + TOGETHER] for keys in of_seed.values() for at in range(0, len(keys), TOGETHER)]
        todo = [(tuple(group), _trained, (problem, [wanted[key] for key in group])) for group in groups]
        for group, found in side_by_side(jobs, todo):
            for key, (kept, sample) in zip(group, found, strict=True):
                if sample is not None:
                    cells.write(folder, _sample(key), Kept({}, sample))
                yield key, kept

    def complete(key: str) -> bool:
        return key not in samples or cells.read(folder, _sample(key)) is not None

    tables = cells.collect(wanted_cells, folder, make, progress, complete)
    rows = []
    for key, cell in samples.items():
        if (kept := cells.read(folder, _sample(key))) is not None:
            start = float(tables.runs.loc[tables.runs["variant"] == cell.variant, "step_start"].iloc[0])
            about = {"variant": cell.variant, "seed": cell.seed, **cell.settings, "step_start": start}
            rows.append(kept.history.assign(**about))
    return tables._replace(samples=pd.concat(rows, ignore_index=True) if rows else pd.DataFrame())


def lossless_overlap(problem: RegressionProblem, seed: int) -> float:
    """Overlap (see :func:`~.measures.overlap`) where every weight ends at its true value, with zero loss."""
    data = make_data(problem, seed)
    return measures.overlap(data.start.numpy(), data.true_weights.numpy())


def _cells(
    problem: RegressionProblem, configs: Mapping[str, RunConfig], seeds: Sequence[int], sampled: Collection[str] = ()
) -> list[Cell]:
    return [
        Cell(name, seed, _key(problem, config, seed, looked_at), (config, seed, looked_at), config.describe())
        for seed in seeds
        for name, config in configs.items()
        for looked_at in [name in sampled and seed == seeds[0]]
    ]


def _key(problem: RegressionProblem, config: RunConfig, seed: int, looked_at: bool) -> str:
    settings = {"version": VERSION, "problem": asdict(problem), "config": asdict(config), "seed": int(seed)}
    found = hashlib.sha256(json.dumps(settings | {"sampled": looked_at}, sort_keys=True).encode()).hexdigest()
    return f"toy-{found[:16]}"


def _sample(key: str) -> str:
    return f"{key}-sample"


def _trained(
    problem: RegressionProblem, group: Sequence[tuple[RunConfig, int, bool]]
) -> list[tuple[Kept, pd.DataFrame | None]]:
    """Train these configurations on their one seed: what is kept of each, and its single weights if looked at."""
    started = time.perf_counter()
    configs, (seed, *_), looked_at = zip(*group, strict=True)
    with one_thread():
        result = run_ensemble(
            configs,
            [seed],
            problem,
            records=RECORDS,
            trajectories=FOLLOWED if any(looked_at) else 0,
            intervals=True,
            separate_losses=True,
        )
    seconds = (time.perf_counter() - started) / len(configs)
    return [
        (_measured(result, run, seconds), packed(sample_of(result, run, every=SAMPLED)) if sampled else None)
        for run, sampled in enumerate(looked_at)
    ]


def _measured(result: EnsembleResult, run: int, seconds: float) -> Kept:
    """Return one run in the data model that toy problems and networks share."""
    own, history, blocks = result.runs.loc[run], result.history, result.intervals
    records = history[history["run"] == run].sort_values("step", ignore_index=True)
    steps = int(records["step"].iloc[-1])
    frame = measures.over_layers(records)
    frame["level_interval"], frame["loss"] = records["step_size"] / records["step_size"].iloc[0], records["loss"]
    course = measures.normalised(frame, steps)
    scalars = {
        "error": own["loss"],
        "step_start": own["step_start"],
        "crossings": own["crossings_per_step"] * measures.PER,
        "returns": own["oscillations"] / own["crossings"] if own["crossings"] else np.nan,
        **{name: own[name] for name in TRACKED},
        **measures.scalars(course),
        **measures.interval_scalars(blocks[blocks["run"] == run]),
        "overlap": measures.overlap(result.start[own["seed"]], result.codes[run]),
        "steps": steps,
        "seconds": seconds,
    }
    return Kept({name: float(value) for name, value in scalars.items()}, course)
