"""Makes the runs of a budget and judges the claims by them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from tqdm.auto import tqdm

from ...arguments import check_count
from ..datasets.load import data_root
from ..shared import paths
from ..shared.limits import side_by_side_limit
from ..toy import surface
from ..toy.problem import RegressionProblem
from ..toy.wells import LandscapeProblem
from ..training import TrainConfig
from . import landscape_runs, network_runs, toy_runs
from .cells import Tables
from .experiments import Experiment, experiments
from .families import CLAIMS
from .images import reduced
from .results import Made, Results, keep
from .statistics import MOST_SEEDS

CIFAR10 = "cifar-10-batches-py"
"""Where torchvision keeps CIFAR-10."""


def reproduce(
    budget: str = "quick",
    *,
    claims: Sequence[str] | None = None,
    seeds: int | None = None,
    data: Sequence[str] | None = None,
    images: str | Path | None = None,
    jobs: int | None = None,
    quiet: bool = False,
) -> Results:
    """Judge ``claims`` (all) on the data of a budget; makes the runs that are missing, and returns all results so far.

    ``seeds``: instead of as many as the budget has. ``data``: only these data sets. ``images``: a folder of images, or
    cifar10 or cifar100, for the budgets "cpu" (which takes a part of them; by itself of CIFAR-10, if that is there) and
    "full". ``jobs``: runs at a time (default: one per core). Every finished run is kept in ``data/results/.claims/``,
    so an interrupted call resumes where it was.
    Raises ``ValueError`` for an unknown budget, claim or data set.
    """
    for name in claims or ():
        if name not in CLAIMS:
            raise ValueError(f"unknown claim {name!r}; there are {', '.join(CLAIMS)}")
    if seeds is not None:
        check_count("seeds", seeds, most=MOST_SEEDS)
    if jobs is not None:
        side_by_side_limit("jobs", check_count("jobs", jobs))
    chosen = [claim for name, claim in CLAIMS.items() if claims is None or name in claims]
    folder = paths.results_dir() / ".claims"
    found = _experiments(budget, data, images, folder)
    for experiment in found:
        if experiment.kind == "network":  # its images are looked at before the first run of any
            network_runs.check([v.config for v in experiment.variants if isinstance(v.config, TrainConfig)])
    made = []
    for number, experiment in enumerate(found, 1):
        variants = tuple(v for v in experiment.variants if any(c.asks_for(v.name, v.groups) for c in chosen))
        experiment = replace(experiment, variants=variants, seeds=seeds or experiment.seeds)
        started = time.perf_counter()
        title = f"{number}/{len(found)} {experiment.data}"
        gpu = budget == "full" and experiment.kind == "network" and torch.cuda.is_available()
        tables = _run(experiment, folder / "runs", jobs, title, quiet, gpu)
        device = torch.cuda.get_device_name() if gpu else "CPU"
        made.append(Made(experiment, tables, time.perf_counter() - started, device))
    return keep(budget, chosen, made)


def _experiments(budget: str, data: Sequence[str] | None, images: str | Path | None, folder: Path) -> list[Experiment]:
    if images is None and budget == "cpu" and (data_root() / CIFAR10).is_dir():
        images = "cifar10"
    if images is not None and budget == "cpu":
        images = reduced(images, folder / "images")
    found = experiments(budget, images)
    for name in data or ():
        if name not in (known := [e.data for e in found]):
            raise ValueError(f"budget {budget} has no data set {name!r}; it has {', '.join(known)}")
    return [e for e in found if data is None or e.data in data]


def _run(experiment: Experiment, folder: Path, jobs: int | None, title: str, quiet: bool, gpu: bool) -> Tables:
    configs: dict[str, Any] = {v.name: v.config for v in experiment.variants}
    seeds = range(experiment.seeds)
    with tqdm(total=len(configs) * len(seeds), desc=title, unit="run", disable=quiet) as bar:
        shared: dict[str, Any] = {"folder": folder, "jobs": _jobs(jobs, gpu), "progress": bar.update}
        match experiment.problem:
            case LandscapeProblem() as problem:
                tables = landscape_runs.run(problem, len(seeds))
                bar.update(len(tables.runs))
            case RegressionProblem() as problem:
                tables = toy_runs.run(problem, configs, seeds, sampled=surface.settings(), **shared)
                overlaps = [toy_runs.lossless_overlap(problem, seed) for seed in seeds]
                lossless = pd.DataFrame({"variant": "lossless", "seed": seeds, "overlap": overlaps})
                tables = tables._replace(runs=pd.concat([tables.runs, lossless], ignore_index=True))
            case None:
                tables = network_runs.run(configs, seeds, device="cuda" if gpu else "cpu", **shared)
    groups = {v.name: "|".join(sorted(v.groups)) for v in experiment.variants}
    runs = tables.runs.assign(groups=tables.runs["variant"].map(groups).fillna(""))
    return tables._replace(runs=runs)


def _jobs(jobs: int | None, gpu: bool) -> int:
    """Return how many runs are made at a time: as asked, otherwise one on a GPU and one per core on CPUs."""
    return jobs or (1 if gpu else -1)
