"""What single weights did in a run of the toy regression: Figure 2 and a few trajectories, small enough to keep."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from .regression import EnsembleResult, RegressionProblem

FOLLOWED = 12
"""Weights whose trajectories are kept."""
EDGES = np.linspace(-4, 4, 49)
"""Bins of pre-trained weights, which are about standard normal."""
_TYPES = {"figure2": np.uint16, "ends": np.uint16, "weights": np.float32, "codes": np.uint8, "step": np.float32}


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


def sample_of(result: EnsembleResult, run: int, *, every: int = 1) -> Sample:
    """Return what a run with trajectories leaves of single weights, at every so many-th recorded moment."""
    frame, grid = result.pretrained_by_level(run), result.grid
    by_level = [frame.loc[frame["level"] == k + grid.low, "weight"] for k in range(grid.n_levels)]
    path = result.trajectories[result.trajectories["run"] == run]
    history, about = result.history[result.history["run"] == run].sort_values("step"), result.runs.loc[run]
    step = history["step_size"] if about["method"] == "lsq" else history["shrink"] * about["step_start"]
    return Sample(
        np.stack([np.histogram(weights, EDGES)[0] for weights in by_level]),
        np.array([len(weights) for weights in by_level]),
        path.pivot(index="weight", columns="step", values="value").to_numpy(np.float32)[:, ::every],
        path.pivot(index="weight", columns="step", values="code").to_numpy(np.uint8)[:, ::every],
        step.to_numpy(np.float32)[::every],
    )


def thresholds_of(problem: RegressionProblem, sample: Sample) -> NDArray[np.float32]:
    """Return the thresholds at the recorded moments, (n - 1, R)."""
    cuts: NDArray[np.float32] = problem.grid.thresholds(torch.from_numpy(sample.step.copy())).numpy().T
    return cuts


def packed(sample: Sample) -> pd.DataFrame:
    """Return a table of one row, with a list in every cell, that parquet can hold."""
    values = (np.asarray(part, kind).ravel() for part, kind in zip(sample, _TYPES.values(), strict=True))
    return pd.DataFrame({name: [value] for name, value in zip(_TYPES, values, strict=True)})


def unpacked(table: pd.DataFrame) -> list[Sample]:
    """Return the samples in the rows of a table, as :func:`packed` makes them."""
    rows = zip(*(table[name] for name in _TYPES), strict=True)
    return [
        Sample(figure2.reshape(len(ends), -1), ends, weights.reshape(-1, len(step)), codes.reshape(-1, len(step)), step)
        for figure2, ends, weights, codes, step in rows
    ]
