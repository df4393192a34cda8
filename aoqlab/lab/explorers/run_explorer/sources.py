"""What the run explorer can show: samples, runs of ``data/runs/``, and a training that is still running."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ...plots import method_label
from ...shared.store import read_table
from ...training import stored
from ...training.config import FULL_PRECISION

_TABLES = ("history", "levels", "intervals", "metrics", "transitions")


@dataclass(frozen=True)
class Source:
    """A training whose codes can be followed: what it is, and where its tables come from."""

    run: str
    settings: Mapping[str, Any]
    """Of the training, as :class:`~aoqlab.lab.training.TrainConfig` names them."""
    table: Callable[[str], pd.DataFrame]
    """Return ``history``, ``levels``, ``intervals``, ``metrics`` or ``transitions``; empty where it is not kept."""
    start_accuracy: float | None = None
    """Of the full-precision network that it began with, on the test images."""
    files: Sequence[Path] = ()
    sample: bool = False
    """Whether it comes with the project."""

    @property
    def label(self) -> str:
        """The method as figures call it."""
        return method_label(self.settings["method"])

    @property
    def title(self) -> str:
        """The run in a few words."""
        own = self.settings
        return f"{self.label}, {own['bits']} bits, {own['arch']} on {Path(own['data']).name}, seed {own['seed']}"


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


def brief_titles(runs: Sequence[Source]) -> list[str]:
    """Return what tells runs apart: the methods; otherwise the parts of the titles that differ."""
    labels, titles = [run.label for run in runs], [run.title for run in runs]
    if len(set(labels)) == len(runs):
        return labels
    common = set.intersection(*(set(title.split(", ")) for title in titles))
    brief = [", ".join(part for part in title.split(", ") if part not in common) for title in titles]
    return brief if len(set(brief)) == len(runs) else [f"{run.run}: {run.title}" for run in runs]


def _stored_source(run: stored.StoredRun, folder: Path, sample: bool) -> Source:
    files = {name: folder / f"{name}.parquet" for name in _TABLES if (folder / f"{name}.parquet").is_file()}

    def table(name: str) -> pd.DataFrame:
        return read_table(files[name]) if name in files else pd.DataFrame()

    return Source(run.name, run.settings, table, run.result.get("accuracy_start"), list(files.values()), sample)
