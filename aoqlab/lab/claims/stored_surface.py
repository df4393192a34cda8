"""The toy regression's surface on disk: every run over its steps, and what single weights did on the first seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..shared import paths
from ..shared.store import read_table
from ..toy import samples, surface
from ..toy.regression import RegressionProblem, run_ensemble
from ..toy.samples import Sample
from . import measures
from .cells import Tables
from .experiments import Experiment

KEYS = ("method", "lr", "shrink_min", "step_init", "seed", "step_start")
"""What a run is known by; ``step_start`` is the step that LSQ's own rule gave it."""
MEASURES = ("loss", "crossings_per_weight", "explored_volume", "oscillating_share")
"""What is kept of every run over its steps; the first two since the start, the others at the moment."""
EVERY = 2
"""Every second record is kept: as many moments as single weights have."""


@dataclass(frozen=True)
class Surface:
    """The runs of one problem over interval size and learning rate."""

    problem: RegressionProblem
    history: pd.DataFrame
    """A row per run and moment: ``KEYS``, ``step``, ``MEASURES``."""
    runs: pd.DataFrame
    """``KEYS`` of the runs whose single weights were kept, in the order of ``samples``; empty where none were."""
    samples: list[Sample]

    @property
    def ends(self) -> pd.DataFrame:
        """The runs at their last step, with ``setting``: shrink_min of AOQ, the first step of LSQ."""
        last = self.history[self.history["step"] == self.history["step"].max()].reset_index(drop=True)
        return last.assign(setting=setting_of(last))


def paths_of(folder: Path, data: str) -> tuple[Path, ...]:
    """Return the two files of a surface."""
    return tuple(folder / f"{data}-{part}.parquet" for part in ("surface", "samples"))


def load(data: str, folder: str | Path | None = None) -> Surface:
    """Read the surface of a data set, such as ``toy-full``. Raises ``FileNotFoundError``."""
    history, single = paths_of(Path(folder) if folder is not None else paths.results_dir(), data)
    table = read_table(history)
    problem = RegressionProblem(**table.attrs["problem"])
    if not single.is_file():
        return Surface(problem, table, pd.DataFrame(columns=KEYS), [])
    sampled = read_table(single)
    return Surface(problem, table, sampled[list(KEYS)], samples.unpacked(sampled))


def compute(problem: RegressionProblem, seeds: Sequence[int]) -> Surface:
    """Train the whole surface of a small problem now, and keep nothing."""
    result = run_ensemble(list(surface.settings().values()), seeds, problem, records=1)
    history = result.history.merge(result.runs[list(KEYS)], left_on="run", right_index=True)
    history["crossings_per_weight"] = history["crossings"] / history["weights"]
    return Surface(problem, history[[*KEYS, "step", *MEASURES]], pd.DataFrame(columns=KEYS), [])


def setting_of(runs: pd.DataFrame) -> pd.Series:
    """Return shrink_min of AOQ and the first step of LSQ; its own rule, different on every seed, is at its mean."""
    own_rule = (runs["method"] == "lsq") & runs["step_init"].isna()
    rule = round(float(runs.loc[own_rule, "step_start"].mean()), 2)
    return runs["shrink_min"].fillna(runs["step_init"]).fillna(rule)


def files(folder: Path, experiment: Experiment, tables: Tables) -> dict[Path, Callable[[Path], Any]]:
    """Return what is to be written for an experiment on the toy regression: path -> what writes it."""
    names = set(surface.settings())
    if not isinstance(experiment.problem, RegressionProblem) or not names <= set(tables.runs["variant"]):
        return {}  # another kind of data, or only some claims were asked for
    kept = _history(tables), tables.samples.copy(deep=False)
    for table in kept:
        table.attrs = {"problem": asdict(experiment.problem)}
    how = {"index": False, "compression": "zstd", "compression_level": 19}
    written = zip(paths_of(folder, experiment.data), kept, strict=True)
    return {path: partial(table.to_parquet, **how) for path, table in written}


def _history(tables: Tables) -> pd.DataFrame:
    names = set(surface.settings())
    runs = tables.runs.loc[tables.runs["variant"].isin(names), ["variant", *KEYS]]
    history = tables.history[tables.history["variant"].isin(names)]
    taken = history.groupby(["variant", "seed"])["step"].diff()
    crossed = (history["crossings"] * taken / measures.PER).fillna(0)
    total = crossed.groupby([history["variant"], history["seed"]]).cumsum()
    history = history.assign(crossings_per_weight=total)[["variant", "seed", "step", *MEASURES]]
    steps = np.unique(history["step"])[::EVERY]
    table = runs.merge(history[history["step"].isin(steps)], on=["variant", "seed"], validate="one_to_many")
    return table.astype(dict.fromkeys(MEASURES, np.float32)).drop(columns="variant")
