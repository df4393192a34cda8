"""Toy regression (Figure 2 of the paper): find quantized weights that fit noiseless linear data.

One call trains a whole ensemble: every configuration on every seed, all configurations of a seed side by side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from ...arguments import check_count
from ...grids import UniformGrid
from ...tracker.step_sizes import movement
from ..shared.limits import SEED, check_memory
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
    ``true_codes`` (share of weights with the true code), ``step_start`` and ``step_final`` (step or level interval) and
    all tracker statistics. ``history``: a row per run and recorded step. ``trajectories``: run, step, weight, value,
    code of the first weights, if asked for. ``intervals``: if asked for, a row per run and block of steps between two
    records with ``progress`` at its end, its ``steps``, and how the step or level interval moved from step to step
    (see :func:`aoqlab.tracker.step_sizes.movement`). ``start``: seed → pre-trained weights; ``codes`` and
    ``transitions``: run → final codes, and transition counts.
    """

    runs: pd.DataFrame
    history: pd.DataFrame
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
) -> EnsembleResult:
    """Train every configuration on every seed; all configurations of one seed see the same data, start and batches.

    ``records``: how many times, evenly spread, the history is taken (the start comes on top). ``trajectories``: how
    many weights to follow. ``intervals``: look at the step size after every step, which changes no run. With the kernel
    training never depends on which other runs there are; ``separate_losses`` makes that true of the last bit of the
    losses too. On CPU the compiled kernel trains; elsewhere, or without a compiler, vectorised Torch does, to the
    same trajectory within rounding. Raises ``ValueError`` without configurations or seeds, or with repeated seeds.
    """
    if not configs or not seeds or len(set(seeds)) != len(seeds):
        raise ValueError(f"need configurations and distinct seeds, got {len(configs)} configurations, seeds {seeds}")
    records = min(check_count("records", records), problem.steps)
    trajectories = min(check_count("trajectories", trajectories, 0), problem.n_weights)
    for seed in seeds:
        check_count("seed", seed, 0, SEED)
    rows = len(configs) * (32 * (problem.steps + 1) + 24 * problem.n_weights)
    kept = len(configs) * len(seeds) * records * (400 + 40 * trajectories)
    check_memory(f"{len(configs)} configurations on {len(seeds)} seeds with {records} records", rows + kept)
    wanted = _Wanted(records, trajectories, intervals, separate_losses)
    parts, starts = [], {}
    for position, seed in enumerate(seeds):
        data = make_data(problem, seed, dtype=dtype)
        starts[seed] = data.start.float().numpy()
        for places in groups(configs):
            state = EnsembleState([configs[place] for place in places], problem, data, device)
            parts.append(_train(state, np.array(places) + position * len(configs), wanted))

    def joined(name: str, by: str) -> pd.DataFrame:
        frame = pd.concat([part[name] for part in parts], ignore_index=True)
        if frame.empty:
            return frame
        order = np.lexsort((frame["run"], frame[by], frame["run"] // len(configs)))  # seeds first, then moments
        return frame.iloc[order].reset_index(drop=True)

    numbers = np.argsort(np.concatenate([part["runs"]["run"] for part in parts]))
    settings = pd.DataFrame([config.describe() for _ in seeds for config in configs])
    return EnsembleResult(
        runs=pd.concat([settings, joined("runs", "run").drop(columns="run")], axis=1),
        history=joined("history", "step"),
        trajectories=joined("trajectories", "step"),
        intervals=joined("intervals", "progress"),
        start=starts,
        codes=np.concatenate([part["codes"] for part in parts])[numbers],
        transitions=np.concatenate([part["transitions"] for part in parts])[numbers],
        grid=problem.grid,
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


def _train(state: EnsembleState, numbers: np.ndarray, wanted: _Wanted) -> dict[str, Any]:
    """Train to the end and return what :class:`EnsembleResult` has of these runs; ``numbers``: what they are called."""
    total, extra, paths, blocks = state.problem.steps, [], [], []
    for stop in np.unique(np.linspace(0, total, wanted.records + 1).round().astype(int)).tolist():
        steps = stop - state.done
        if steps and wanted.intervals:
            blocks.append(_watched(state, steps, numbers))
        elif steps:
            state.advance(steps)
        extra.append(state.record(wanted.separate_losses))
        if wanted.trajectories:
            paths.append(_followed(state, numbers, wanted.trajectories))
    history = state.tracker.history_frame()
    history["run"] = numbers[history.pop("layer").astype(int)]
    for name in ("loss", "step_size", "shrink"):
        history[name] = pd.concat(extra)[name].to_numpy()
    return {
        "runs": _finish(state, history, numbers),
        "history": history,
        "trajectories": pd.concat(paths, ignore_index=True) if paths else pd.DataFrame(),
        "intervals": pd.concat(blocks, ignore_index=True) if blocks else pd.DataFrame(),
        "codes": state.tracker._current.view(len(numbers), -1).cpu().numpy(),
        "transitions": state.tracker.transitions.cpu().numpy(),
    }


def _watched(state: EnsembleState, steps: int, numbers: np.ndarray) -> pd.DataFrame:
    """Advance one step at a time and sum up how the step sizes moved."""
    values = [state.step.clone()]
    for _ in range(steps):
        state.advance(1)
        values.append(state.step.clone())
    series = torch.stack(values).cpu()
    # Run by run: what counts as a step without movement is decided over all columns given.
    columns = [movement(column.contiguous()) for column in series.split(1, dim=1)]
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
    codes = state.tracker._current.view(state.weights.shape)
    true = (state.true - state.problem.grid.low).to(torch.uint8)
    table["true_codes"] = (codes == true).double().mean(1).cpu().numpy()
    table["step_final"] = state.level_step().double().cpu().numpy()
    statistics = state.tracker.to_frame().drop(columns=["layer"]).reset_index(drop=True)
    return pd.concat([table, statistics], axis=1)
