"""What was found so far, on disk: tables in ``data/results/``, written all together or not at all."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from ..shared import paths
from ..shared.files import DamagedError, DamagedWarning, held, read_json, read_set, write_set
from ..shared.provenance import provenance
from ..shared.store import read_table
from . import stored_surface
from .cells import Tables
from .claim import Claim
from .experiments import BUDGETS, FIRST, Experiment
from .families import CLAIMS, FAMILIES
from .verdicts import evaluate, settle_all

TABLES = ("claims", "statistics", "differences", "runs", "history")
FILES = {"claims": "claims.parquet", **{name: f"claims-{name}.parquet" for name in TABLES[1:]}}
INFO = "claims.json"
SHOWN = (
    *("aoq", "lsq", "aoq shrink_min=1", "aoq no dampening", "aoq held levels", "aoq coupled", "aoq frozen weights"),
    *("aoq shrink throughout", "aoq dampening throughout"),
)
"""Variants whose course over training is kept for the pictures."""


@dataclass(frozen=True)
class Results:
    """All that was found so far, over budgets and data sets."""

    claims: pd.DataFrame
    """A row per claim, data set and budget, with the verdict."""
    statistics: pd.DataFrame
    """A row per comparison: deciding ones, and others for comparison."""
    differences: pd.DataFrame
    """A row per comparison and seed."""
    runs: pd.DataFrame
    """A row per run."""
    history: pd.DataFrame
    """A row per run and record, of the variants in ``SHOWN``."""
    info: dict[str, Any]
    """``<budget>/<data>`` -> where and by which code the runs were made and judged, seconds, seeds."""


@dataclass(frozen=True)
class Made:
    """The runs of one experiment."""

    experiment: Experiment
    tables: Tables
    seconds: float
    """Taken by this call, on all cores: runs that were there already took none."""
    device: str
    """Name of the GPU, or CPU."""


def load(folder: str | Path | None = None) -> Results:
    """Return the stored results in ``folder`` (``data/results/``).

    Raises ``FileNotFoundError`` where some are missing, and ``DamagedError`` where one is damaged.
    """
    where = Path(folder) if folder is not None else paths.results_dir()
    names = [*FILES.values(), INFO]
    files = read_set(where, names) if where.is_dir() else {}
    if missing := [name for name in names if name not in files]:
        raise FileNotFoundError(f"{where} has no {', '.join(missing)}; make them with: bash run.sh reproduce")
    tables = {name: read_table(where / file, files[file]) for name, file in FILES.items()}
    return Results(**tables, info=read_json(where / INFO, files[INFO]))


def keep(budget: str, claims: list[Claim], made: list[Made]) -> Results:
    """Judge, put in place of what was stored for the same budget, data and claims, and write all files or none.

    What budget "first" measures is no result: it is kept in a folder of its own. One process at a time does this, so
    that none loses what another has just written.
    """
    lock = paths.results_dir() / ".claims"
    lock.mkdir(exist_ok=True)
    with held(lock):
        return _keep(budget, claims, made)


def _keep(budget: str, claims: list[Claim], made: list[Made]) -> Results:
    here = provenance()
    folder = folder_of(budget)
    families = {claim.id: family for family, found in FAMILIES.items() for claim in found}
    files: dict[Path, Any] = {}
    try:
        old = load(folder)
    except (FileNotFoundError, DamagedError) as error:
        old = None
        if any((folder / file).exists() for file in FILES.values()):
            if budget != FIRST:  # other budgets have rows there
                way = f"put it back from git, or remove all claims* in {folder}; finished runs are kept"
                raise DamagedError(f"{error}; {way}") from error
            warnings.warn(f"{error}; it is made again", DamagedWarning, stacklevel=2)
    fresh: dict[str, list[pd.DataFrame]] = {name: [] for name in TABLES}
    info = dict(old.info) if old is not None else {}
    for own in made:
        experiment, runs, history = own.experiment, own.tables.runs, own.tables.history
        verdicts, statistics, differences = evaluate(experiment, runs, claims)
        origin = {name: sorted(runs[name].dropna().unique()) for name in ("commit", "processor", "torch")}
        if len(verdicts):
            verdicts = verdicts.assign(
                kind=experiment.kind,
                title=experiment.title,
                family=verdicts["claim"].map(families),
                date=str(runs["made"].dropna().max())[:10],
                processor=" and ".join(origin["processor"]),
                cores=here["cores"],
                device=own.device,
                torch=" and ".join(origin["torch"]),
                commit=" and ".join(origin["commit"]),
            )
        shown = history[history["variant"].isin(SHOWN)] if len(history) else history
        files |= stored_surface.files(folder, experiment, own.tables)
        for name, table in zip(TABLES, (verdicts, statistics, differences, runs, shown), strict=True):
            if len(table):
                fresh[name].append(table.assign(data=experiment.data, budget=budget))
        info[f"{budget}/{experiment.data}"] = {
            "title": experiment.title,
            "seeds": experiment.seeds,
            "variants": len(experiment.variants),
            "seconds": round(own.seconds, 1),
            "seconds_of_all_runs": round(float(runs["seconds"].sum()), 1),
            "device": own.device,
            "made": origin,
            "judged": here,
        }
    whole = len(claims) == len(CLAIMS)
    tables = {name: _joined(getattr(old, name, None), fresh[name], whole) for name in TABLES}
    alone = tables["claims"].drop(columns=["verdict", "reason", "p_holm", "family_size"], errors="ignore")
    tables["claims"] = settle_all(alone)
    files |= {folder / FILES[name]: partial(table.to_parquet, index=False) for name, table in tables.items()}
    files[folder / INFO] = (json.dumps(info, indent=1) + "\n").encode()
    write_set(files)
    return load(folder)


def folder_of(budget: str) -> Path:
    """Return where the results of a budget are stored."""
    return paths.results_dir() / FIRST if budget == FIRST else paths.results_dir()


def _joined(old: pd.DataFrame | None, fresh: list[pd.DataFrame], whole: bool) -> pd.DataFrame:
    """Return stored rows that nothing new replaces, and the new ones, in a fixed order.

    ``whole``: all claims were judged. With a part of them, what belongs to the others stays.
    """
    new = pd.concat(fresh, ignore_index=True) if fresh else pd.DataFrame()
    if old is not None and fresh:
        keys = ["budget", "data"] if whole else ["budget", "data", "claim" if "claim" in old else "variant"]
        old = old[~pd.MultiIndex.from_frame(old[keys]).isin(pd.MultiIndex.from_frame(new[keys]))]
    table = pd.concat([part for part in (old, new) if part is not None and len(part)], ignore_index=True)
    places = {name: place for place, name in enumerate((*BUDGETS, *CLAIMS))}
    order = [c for c in ("budget", "data", "claim", "variant", "seed", "step") if c in table]
    if "statistic" in table:
        order = [c for c in order if c != "seed"]  # statistics stay in the order of the claim's parts
    return table.sort_values(
        order, kind="stable", ignore_index=True, key=lambda c: c.map(places) if c.isin(places).all() else c
    )
