"""What single weights did in every run of the surface: Figure 2 and a few trajectories, small enough to show any run.

Kept for one seed. The file is a table of one row per run, with what its arrays mean in its metadata.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from ..toy.regression import EnsembleResult, RegressionProblem

FOLLOWED = 12
"""Weights whose trajectories are kept."""
EDGES = np.linspace(-4, 4, 49)
"""Bins of pre-trained weights, which are about standard normal."""
_KEYS = ("method", "lr", "shrink_min", "step_init", "seed")
_TYPES = {
    "figure2": pa.uint16(),
    "ends": pa.uint16(),
    "weights": pa.float32(),
    "codes": pa.uint8(),
    "step": pa.float32(),
}
_ABOUT = b"aoqlab.samples"


class Sample(NamedTuple):
    """One run; n levels, R recorded moments."""

    figure2: NDArray[Any]
    """(n, bins): pre-trained weights by final level; those beyond :data:`EDGES` are in ``ends`` alone."""
    ends: NDArray[Any]
    """(n,): weights per final level."""
    weights: NDArray[Any]
    """(followed, R)"""
    codes: NDArray[Any]
    """(followed, R)"""
    step: NDArray[Any]
    """(R,): distance between thresholds; LSQ learns it, AOQ's is its first interval, shrunk."""


def sample_of(result: EnsembleResult, run: int) -> Sample:
    """What a run with trajectories leaves of single weights."""
    frame, grid = result.pretrained_by_level(run), result.grid
    by_level = [frame.loc[frame["level"] == k + grid.low, "weight"] for k in range(grid.n_levels)]
    path = result.trajectories[result.trajectories["run"] == run]
    history, about = result.history[result.history["run"] == run].sort_values("step"), result.runs.loc[run]
    step = history["step_size"] if about["method"] == "lsq" else history["shrink"] * about["step_start"]
    return Sample(
        np.stack([np.histogram(weights, EDGES)[0] for weights in by_level]),
        np.array([len(weights) for weights in by_level]),
        path.pivot(index="weight", columns="step", values="value").to_numpy(np.float32),
        path.pivot(index="weight", columns="step", values="code").to_numpy(np.uint8),
        step.to_numpy(np.float32),
    )


def thresholds_of(problem: RegressionProblem, sample: Sample) -> NDArray[np.float32]:
    """(n - 1, R): where the thresholds stood."""
    cuts: NDArray[np.float32] = problem.grid.thresholds(torch.from_numpy(sample.step.copy())).numpy().T
    return cuts


def write_samples(result: EnsembleResult, path: Path, about: Mapping[str, Any]) -> None:
    """All runs of an ensemble; ``about``: what is said of their origin, beside the moments."""
    samples = [sample_of(result, run) for run in range(len(result.runs))]
    columns: dict[str, Any] = {name: pa.array(result.runs[name].tolist(), from_pandas=True) for name in _KEYS}
    for name, kind in _TYPES.items():
        rows = [getattr(sample, name).ravel().tolist() for sample in samples]
        columns[name] = pa.array(rows, pa.list_(kind))  # raises where a count does not fit
    moments = np.unique(result.history["step"]).tolist()
    said = {"steps": moments, "edges": EDGES.tolist(), "levels": result.grid.n_levels, **about}
    table = pa.table(columns).replace_schema_metadata({_ABOUT: json.dumps(said).encode()})
    pq.write_table(table, path, compression="zstd", compression_level=19)


def read_samples(path: Path) -> tuple[pd.DataFrame, list[Sample], dict[str, Any]]:
    """The runs' settings, their samples in this order, and what is said about them. ``ValueError`` for other tables."""
    table = pq.read_table(path)
    said = (table.schema.metadata or {}).get(_ABOUT)
    if said is None:
        raise ValueError(f"{path} holds no samples of runs")
    about: dict[str, Any] = json.loads(said)
    shapes = {
        "figure2": (about["levels"], -1),
        "weights": (-1, len(about["steps"])),
        "codes": (-1, len(about["steps"])),
    }
    columns = {
        name: [np.array(row, kind.to_pandas_dtype()).reshape(shapes.get(name, -1)) for row in table[name].to_pylist()]
        for name, kind in _TYPES.items()
    }
    samples = [Sample(*parts) for parts in zip(*columns.values(), strict=True)]
    return table.select(list(_KEYS)).to_pandas(), samples, about
