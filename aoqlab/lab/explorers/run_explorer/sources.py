"""What the run explorer can show: samples, runs of ``data/runs/``, and a training that is still running."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ...plots import method_label
from ...training import stored
from ...training.config import FULL_PRECISION
from ...training.engine import Trainer
from ...training.run import tables_of

_TABLES = ("history", "levels", "intervals", "metrics", "transitions")


@dataclass(frozen=True)
class Source:
    """A training whose codes can be followed: what it is, and where its tables come from."""

    run: str
    method: str
    arch: str
    data: str
    bits: int
    seed: int
    epochs: int
    table: Callable[[str], pd.DataFrame]
    """Return ``history``, ``levels``, ``intervals``, ``metrics`` or ``transitions``; empty where it is not kept."""
    track_every: int = 1
    start_accuracy: float | None = None
    """Of the full-precision network that it began with, on the test images."""
    files: Sequence[Path] = ()
    sample: bool = False
    """Whether it comes with the project."""

    @property
    def label(self) -> str:
        """The method as figures call it."""
        return method_label(self.method)

    @property
    def title(self) -> str:
        """The run in a few words."""
        return f"{self.label}, {self.bits} bits, {self.arch} on {Path(self.data).name}, seed {self.seed}"


def sources(samples: bool = True) -> tuple[dict[str, Source], list[str]]:
    """Return the runs with codes to follow by key, samples first and the newest last, and the keys of all others.

    The key is the run's name, "recorded/NAME" for a sample where ``data/runs/`` has a run of that name.
    """
    found: dict[str, Source] = {}
    without = []
    own = set(stored.names())
    for folder in (stored.recorded_dir(), stored.runs_dir()) if samples else (stored.runs_dir(),):
        sample = folder == stored.recorded_dir()
        for run in stored.readable(folder, tables=()):
            key = f"recorded/{run.name}" if sample and run.name in own else run.name
            if run.settings["method"] == FULL_PRECISION:
                without.append(key)
            else:
                found[key] = _stored_source(run, folder / run.name, sample)
    return found, without


def training_source(run: str, trainer: Trainer, start_accuracy: float) -> Source:
    """Return what a trainer has measured so far; its tables do not change when it trains further."""
    tables = tables_of(trainer)
    settings = _settings(trainer.config.to_dict())
    empty = pd.DataFrame()
    return Source(run, table=lambda name: tables.get(name, empty), start_accuracy=start_accuracy, **settings)


def brief_titles(runs: Sequence[Source]) -> list[str]:
    """Return what tells runs apart: the methods; otherwise the parts of the titles that differ."""
    labels, titles = [run.label for run in runs], [run.title for run in runs]
    if len(set(labels)) == len(runs):
        return labels
    common = set.intersection(*(set(title.split(", ")) for title in titles))
    brief = [", ".join(part for part in title.split(", ") if part not in common) for title in titles]
    return brief if len(set(brief)) == len(runs) else [f"{run.run}: {run.title}" for run in runs]


def _stored_source(run: stored.StoredRun, folder: Path, sample: bool) -> Source:
    files = {name: folder / f"{name}.parquet" for name in _TABLES}

    def table(name: str) -> pd.DataFrame:
        return pd.read_parquet(files[name]) if files[name].is_file() else pd.DataFrame()

    there = [file for file in files.values() if file.is_file()]
    start = run.result.get("accuracy_start")
    return Source(run.name, table=table, start_accuracy=start, files=there, sample=sample, **_settings(run.settings))


def _settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: settings[name] for name in ("method", "arch", "data", "bits", "seed", "epochs", "track_every")}
