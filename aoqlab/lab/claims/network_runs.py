"""Runs of real networks for the claims: what is missing is trained, and every finished run is kept."""

from __future__ import annotations

import copy
import dataclasses
import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...surgery import weight_sites
from .. import datasets
from ..datasets import Dataset
from ..training import Result, TrainConfig
from ..training.sweep import Outcome, as_trained, outcomes
from . import measures
from .cells import Cell, Kept, Tables, collect

VERSION = 3
"""Part of every key: after a change to what is measured, all runs are made again."""
TRACKED = ("changed_share", "hamming_share", "levels_visited", "explored_volume")
SETTINGS = ("arch", "method", "epochs", "batch_size", "lr")
DIVERGED = Kept({"error": np.inf}, pd.DataFrame())


def run(
    configs: Mapping[str, TrainConfig],
    seeds: Sequence[int],
    *,
    folder: Path,
    jobs: int = -1,
    device: str = "cpu",
    progress: Callable[[int], object] | None = None,
) -> Tables:
    """Every variant (name -> settings) on every seed: a row per run, and a row per run and epoch.

    What ``folder`` holds is read, the rest is trained, ``jobs`` at a time (-1: one per core) with one thread each, and
    kept as soon as it is done; full-precision starts are trained once per seed and kept there too. Variants of the same
    settings share a run. ``device``: where a configuration leaves it open. ``progress`` is called with 1 for each run
    of the result, kept ones at once.

    Errors are in percentage points, after batch norm was measured again; rates per weight and 1000 steps; shares are
    means over layers weighted by their number of weights. Full precision has no codes: NaN. A run that diverged has an
    infinite error and nothing else, the worst there is. Raises ``RunFailedError`` where a run fails otherwise, and
    ``ValueError`` for a run that does not look at the codes after every step.
    """

    def make(wanted: Mapping[str, TrainConfig]) -> Iterator[tuple[str, Kept]]:
        keys, todo = list(wanted), list(wanted.values())
        for place, outcome in outcomes(todo, jobs=jobs, measure=begin_and_end, starts=folder):
            yield keys[place], DIVERGED if outcome.diverged else _measured(outcome)

    return collect(_cells(configs, seeds, device), folder, make, progress)


def check(configs: Sequence[TrainConfig]) -> None:
    """Raise what :func:`run` would raise for images that are not there, or settings that they do not fit."""
    _cells({config.default_name(): config for config in configs}, (), "cpu")


def _cells(configs: Mapping[str, TrainConfig], seeds: Sequence[int], device: str) -> list[Cell]:
    load, cells = functools.cache(datasets.load), []
    for variant, config in configs.items():
        if config.track_every != 1:
            raise ValueError(f"{variant}: every crossing counts, so track_every must be 1, got {config.track_every}")
        data = load(config.data, root=config.root, image_size=config.image_size, download=config.download)
        full = as_trained(dataclasses.replace(config, device=device if config.device == "auto" else config.device))
        full = full.resolved(Path(config.data).name, len(data.train), data.image_size)
        assert full.batch_size and full.epochs
        full = dataclasses.replace(full, record_every=data.train.steps(full.batch_size), eval_every=full.epochs)
        for seed in seeds:
            seeded = dataclasses.replace(full, seed=seed)
            settings = {name: getattr(seeded, name) for name in SETTINGS}
            cells.append(Cell(variant, seed, _key(seeded, data), seeded, settings))
    return cells


def _key(config: TrainConfig, data: Dataset) -> str:
    """Return a digest that is the same wherever the images are, and another when they change."""
    plain = dataclasses.replace(config, root=None, data=Path(config.data).name)
    # "auto" is another precision on another device.
    where = f"{config.device} {config.mixed_precision}"
    return hashlib.sha256(f"{VERSION} {plain.digest()} {where} {data.fingerprint}".encode()).hexdigest()[:16]


def begin_and_end(result: Result) -> dict[str, Any]:
    """Return what only the networks can tell.

    ``overlap``: of the histograms of pre-trained weights per final level, mean over layers weighted by their number of
    weights (NaN without quantized layers); ``intervals``: layer -> learned step size before the first step.
    """
    assert result.start is not None
    begun = dict(result.start.named_modules())
    intervals, overlaps, sizes = {}, [], []
    for name, site in weight_sites(result.model).items():
        weight = begun[name].get_parameter("weight").detach()
        overlaps.append(measures.overlap(weight.flatten().cpu().numpy(), site.codes().flatten().cpu().numpy()))
        sizes.append(weight.numel())
        fresh = copy.deepcopy(site.quantizer).init_from(weight).learned_step
        if fresh is not None:
            intervals[name] = float(fresh.detach().double().mean())
    known = np.isfinite(overlaps)
    overlap = float(np.average(np.array(overlaps)[known], weights=np.array(sizes)[known])) if known.any() else np.nan
    return {"overlap": overlap, "intervals": intervals}


def _measured(outcome: Outcome) -> Kept:
    """Return the run in the data model that toy problems and networks share."""
    config, result, tables = outcome.config, outcome.result, outcome.tables
    assert config.epochs
    total, per_epoch = result["steps"], result["steps"] // config.epochs
    tracker: Mapping[str, float] = result.get("tracker", {})
    if tracker:
        frame = measures.over_layers(tables["history"])
    else:
        columns = ["step", "crossings_total", "oscillations_total", *measures.SHARES]
        frame = pd.DataFrame({"step": np.arange(config.epochs + 1) * per_epoch}).reindex(columns=columns)
    frame["level_interval"] = frame["loss"] = np.nan
    blocks, begun = pd.DataFrame(), outcome.measured["intervals"]
    if "intervals" in tables:
        intervals, weights = tables["intervals"], tables["history"].groupby("layer")["weights"].first()
        blocks = intervals.assign(
            progress=intervals["epoch"] / config.epochs, steps=per_epoch, weights=intervals["layer"].map(weights)
        )
        if begun:  # the learned step size as a multiple of that at the start, mean over layers
            relative = intervals["interval"] / intervals["layer"].map(begun)
            growth = {0: 1.0, **relative.groupby(intervals["epoch"] * per_epoch).mean().to_dict()}
            frame["level_interval"] = frame["step"].map(growth)
    history = measures.normalised(frame, total)
    crossings = tracker.get("crossings", np.nan)
    scalars = {
        "error": 100 * (1 - result["accuracy"]),
        "error_start": 100 * (1 - result["accuracy_start"]) if result["accuracy_start"] is not None else np.nan,
        "crossings": tracker.get("crossings_per_step", np.nan) * measures.PER,
        "returns": tracker["oscillations"] / crossings if crossings > 0 else np.nan,
        **{name: tracker.get(name, np.nan) for name in TRACKED},
        **measures.scalars(history),
        **measures.interval_scalars(blocks),
        "overlap": outcome.measured["overlap"],
        "steps": total,
        "seconds": result["seconds"],
    }
    return Kept({name: float(value) for name, value in scalars.items()}, history)
