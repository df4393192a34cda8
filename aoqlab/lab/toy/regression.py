"""Toy regression (Figure 2 of the paper): find quantized weights that fit noiseless linear data.

One call trains a whole ensemble: every configuration on every seed, all configurations of a seed side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from ...grids import UniformGrid
from .engine import EnsembleState, groups
from .problem import FULL as FULL
from .problem import REDUCED as REDUCED
from .problem import RegressionData as RegressionData
from .problem import RegressionProblem as RegressionProblem
from .problem import RunConfig as RunConfig
from .problem import make_data as make_data


@dataclass(frozen=True)
class EnsembleResult:
    """Tables of an ensemble; ``run`` numbers the rows of ``runs`` and links the others to it.

    ``runs``: a row per run with its configuration, ``seed``, final ``loss`` (mean squared error on all samples),
    ``loss_min`` (over the recorded steps), ``true_codes`` (share of weights with the true code), ``step_start`` and
    ``step_final`` (step or level interval) and all tracker statistics. ``history``: a row per run and recorded step.
    ``levels``: level histograms (run, step, level, share). ``trajectories``: run, step, weight, value, code of the
    first weights, if asked for. ``intervals``: if asked for, a row per run and block of steps between two records with
    ``progress`` at its end, its ``steps``, and how the step or level interval moved from step to step (``movement``,
    ``detrended_movement``, ``reversal_rate``, ``lag1_correlation``, see
    :class:`aoqlab.lab.training.intervals.IntervalRecorder`). ``start``: seed → pre-trained weights; ``codes`` and
    ``transitions``: run → final codes, and transition counts.
    """

    runs: pd.DataFrame
    history: pd.DataFrame
    levels: pd.DataFrame
    trajectories: pd.DataFrame
    intervals: pd.DataFrame
    start: dict[int, np.ndarray]
    codes: np.ndarray
    transitions: np.ndarray
    grid: UniformGrid

    def pretrained_by_level(self, run: int) -> pd.DataFrame:
        """Figure 2 of one run: columns ``weight`` (pre-trained) and ``level`` (where it ended, in steps)."""
        weights = self.start[int(self.runs.loc[run, "seed"])]
        return pd.DataFrame({"weight": weights, "level": self.codes[run].astype(int) + self.grid.low})


def run_ensemble(
    configs: Sequence[RunConfig],
    seeds: Sequence[int],
    problem: RegressionProblem = FULL,
    *,
    records: int = 40,
    trajectories: int = 0,
    intervals: bool = False,
    separate_losses: bool = False,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    progress: Callable[[int], object] | None = None,
) -> EnsembleResult:
    """Train every configuration on every seed; all configurations of one seed see the same data, start and batches.

    ``records``: how many times, evenly spread, the history is taken (the start comes on top). ``trajectories``: how
    many weights to follow. ``intervals``: look at the step size after every step, which changes no run. With the kernel
    training never depends on which other runs there are; ``separate_losses`` makes that true of the last bit of the
    losses too. ``progress`` is called with the number of training steps done, summed over runs. On CPU the
    compiled kernel trains; elsewhere, or without a compiler, vectorised Torch does, to the same trajectory within
    rounding. Raises ``ValueError`` without configurations or seeds, or with repeated seeds.
    """
    if not configs or not seeds or len(set(seeds)) != len(seeds):
        raise ValueError(f"need configurations and distinct seeds, got {len(configs)} configurations, seeds {seeds}")
    if records < 1:
        raise ValueError(f"records must be at least 1, got {records}")
    wanted = _Wanted(records, trajectories, intervals, separate_losses)
    parts, starts = [], {}
    for position, seed in enumerate(seeds):
        data, own = make_data(problem, seed, dtype=dtype), []
        for places in groups(configs):
            state = EnsembleState([configs[place] for place in places], problem, data, device)
            own.append(_train(state, np.array(places) + position * len(configs), wanted, progress))
        parts.append(own[0] if len(own) == 1 else _merge(own))
        starts[seed] = data.start.float().numpy()
    frames = [pd.concat(tables, ignore_index=True) for tables in zip(*(part[:5] for part in parts), strict=True)]
    runs, history, levels, paths, blocks = frames
    settings = pd.DataFrame([config.describe() for _ in seeds for config in configs])
    codes, transitions = (np.concatenate(arrays) for arrays in zip(*(part[5:] for part in parts), strict=True))
    return EnsembleResult(
        pd.concat([settings, runs.drop(columns="run")], axis=1),
        *(history, levels, paths, blocks, starts, codes, transitions, problem.grid),
    )


@contextmanager
def one_thread() -> Iterator[None]:
    """Train with a single thread: so small a problem gains little from more, and waits for them on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Wanted(NamedTuple):
    """What to look at, see :func:`run_ensemble`."""

    records: int
    trajectories: int
    intervals: bool
    separate_losses: bool


class _Tables(NamedTuple):
    """What training gives, with ``run`` in every frame; ``codes`` and ``transitions`` in the order of ``runs``."""

    runs: pd.DataFrame
    history: pd.DataFrame
    levels: pd.DataFrame
    trajectories: pd.DataFrame
    intervals: pd.DataFrame
    codes: np.ndarray
    transitions: np.ndarray


def _merge(parts: Sequence[_Tables]) -> _Tables:
    """Join runs that were trained apart, in the order of their numbers."""

    def ordered(name: str, *by: str) -> pd.DataFrame:
        frame = pd.concat([getattr(part, name) for part in parts], ignore_index=True)
        # stable: levels and weights are in order already
        return frame.sort_values(list(by), kind="stable", ignore_index=True) if len(frame) else frame

    order = np.argsort(np.concatenate([part.runs["run"] for part in parts]))
    return _Tables(
        ordered("runs", "run"),
        ordered("history", "step", "run"),
        ordered("levels", "step", "run"),
        ordered("trajectories", "step", "run"),
        ordered("intervals", "progress", "run"),
        np.concatenate([part.codes for part in parts])[order],
        np.concatenate([part.transitions for part in parts])[order],
    )


def _train(
    state: EnsembleState, numbers: np.ndarray, wanted: _Wanted, progress: Callable[[int], object] | None
) -> _Tables:
    """Train to the end; ``numbers``: what the runs are called in the tables."""
    total, extra, paths, blocks = state.problem.steps, [], [], []
    for stop in np.unique(np.linspace(0, total, wanted.records + 1).round().astype(int)).tolist():
        steps = stop - state.done
        if steps and wanted.intervals:
            blocks.append(_watched(state, steps, numbers))
        elif steps:
            state.advance(steps)
        if steps and progress is not None:
            progress(steps * len(numbers))
        extra.append(state.record(wanted.separate_losses))
        if wanted.trajectories:
            paths.append(_followed(state, numbers, wanted.trajectories))
    history, levels = state.tracker.history_frame(), state.tracker.level_frame()
    for frame in (history, levels):
        frame["run"] = numbers[frame.pop("layer").astype(int)]
    for name in ("loss", "step_size", "shrink"):
        history[name] = pd.concat(extra)[name].to_numpy()
    codes = state.tracker._current.view(len(numbers), -1).cpu().numpy()
    return _Tables(
        _finish(state, history, numbers),
        history,
        levels,
        pd.concat(paths, ignore_index=True) if paths else pd.DataFrame(),
        pd.concat(blocks, ignore_index=True) if blocks else pd.DataFrame(),
        codes,
        state.tracker.transitions.cpu().numpy(),
    )


def _watched(state: EnsembleState, steps: int, numbers: np.ndarray) -> pd.DataFrame:
    """Advance one step at a time and sum up how the step sizes moved."""
    from ..training.intervals import summarise  # here, because it loads all of training

    values = [state.step.clone()]
    for _ in range(steps):
        state.advance(1)
        values.append(state.step.clone())
    series = torch.stack(values).cpu()
    # Run by run: what counts as a step without movement is decided over all columns given.
    columns = [summarise(column.contiguous()) for column in series.split(1, dim=1)]
    frame = pd.DataFrame({"run": numbers, "progress": state.done / state.problem.steps, "steps": steps})
    for name in ("movement", "detrended_movement", "reversal_rate", "lag1_correlation"):
        frame[name] = [float(statistics[name]) for statistics in columns]
    return frame


def _followed(state: EnsembleState, numbers: np.ndarray, count: int) -> pd.DataFrame:
    values = state.weights[:, :count].double().cpu().numpy()
    codes = state.tracker._current.view(state.weights.shape)[:, :count].cpu().numpy()
    runs, weights = np.indices(values.shape)
    return pd.DataFrame(
        {
            "run": numbers[runs.ravel()],
            "step": state.done,
            "weight": weights.ravel(),
            "value": values.ravel(),
            "code": codes.ravel(),
        }
    )


def _finish(state: EnsembleState, history: pd.DataFrame, numbers: np.ndarray) -> pd.DataFrame:
    table = pd.DataFrame({"run": numbers, "seed": state.seed})
    table["step_start"] = state.start.cpu().numpy()
    table["loss"] = history["loss"].to_numpy()[-len(numbers) :]  # the last record is of this moment
    by_run = history.groupby("run", sort=True)
    table["loss_min"] = by_run["loss"].min().to_numpy()
    codes = state.tracker._current.view(state.weights.shape)
    true = (state.true - state.problem.grid.low).to(torch.uint8)
    table["true_codes"] = (codes == true).double().mean(1).cpu().numpy()
    table["step_final"] = state.level_step().double().cpu().numpy()
    table["oscillating_share_mean"] = by_run["oscillating_share"].mean().to_numpy()
    statistics = state.tracker.to_frame().drop(columns=["layer"]).reset_index(drop=True)
    return pd.concat([table, statistics], axis=1)
