"""Toy regression (Figure 2 of the paper): find quantized weights that fit noiseless linear data.

One call trains a whole ensemble: every configuration on every seed, all configurations of a seed side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from ..grids import UniformGrid
from .engine import EnsembleState
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
    first weights, if asked for. ``start``: seed → pre-trained weights; ``codes`` and ``transitions``: run → final
    codes, and transition counts.
    """

    runs: pd.DataFrame
    history: pd.DataFrame
    levels: pd.DataFrame
    trajectories: pd.DataFrame
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
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    progress: Callable[[int], object] | None = None,
) -> EnsembleResult:
    """Train every configuration on every seed; all configurations of one seed see the same data, start and batches.

    ``records``: how many times, evenly spread, the history is taken (the start comes on top). ``trajectories``: how
    many weights to follow. ``progress`` is called with the number of training steps done, summed over runs. On CPU the
    compiled kernel trains; elsewhere, or without a compiler, vectorised Torch does, to the same trajectory within
    rounding. Raises ``ValueError`` without configurations or seeds, or with repeated seeds.
    """
    if not configs or not seeds or len(set(seeds)) != len(seeds):
        raise ValueError(f"need configurations and distinct seeds, got {len(configs)} configurations, seeds {seeds}")
    if records < 1:
        raise ValueError(f"records must be at least 1, got {records}")
    runs, histories, levels, paths, starts, codes, transitions = [], [], [], [], {}, [], []
    stops = np.unique(np.linspace(0, problem.steps, records + 1).round().astype(int))
    for position, seed in enumerate(seeds):
        data = make_data(problem, seed, dtype=dtype)
        state = EnsembleState(configs, problem, data, device)
        first_run, extra = position * len(configs), []
        for stop in stops:
            if stop > state.done:
                steps = int(stop) - state.done
                state.advance(steps)
                if progress is not None:
                    progress(steps * len(configs))
            extra.append(state.record())
            if trajectories:
                paths.append(_followed(state, first_run, trajectories))
        history = state.tracker.history_frame()
        history["run"] = history.pop("layer").astype(int) + first_run
        for name in ("loss", "step_size", "shrink"):
            history[name] = pd.concat(extra)[name].to_numpy()
        level = state.tracker.level_frame()
        level["run"] = level.pop("layer").astype(int) + first_run
        histories.append(history)
        levels.append(level)
        runs.append(_finish(state, configs, seed, history))
        starts[seed] = data.start.float().numpy()
        codes.append(state.tracker._current.view(len(configs), -1).cpu().numpy())
        transitions.append(state.tracker.transitions.cpu().numpy())
    return EnsembleResult(
        pd.concat(runs, ignore_index=True),
        pd.concat(histories, ignore_index=True),
        pd.concat(levels, ignore_index=True),
        pd.concat(paths, ignore_index=True) if paths else pd.DataFrame(),
        starts,
        np.concatenate(codes),
        np.concatenate(transitions),
        problem.grid,
    )


def _followed(state: EnsembleState, first_run: int, count: int) -> pd.DataFrame:
    values = state.weights[:, :count].double().cpu().numpy()
    codes = state.tracker._current.view(state.weights.shape)[:, :count].cpu().numpy()
    runs, weights = np.indices(values.shape)
    return pd.DataFrame(
        {
            "run": runs.ravel() + first_run,
            "step": state.done,
            "weight": weights.ravel(),
            "value": values.ravel(),
            "code": codes.ravel(),
        }
    )


def _finish(state: EnsembleState, configs: Sequence[RunConfig], seed: int, history: pd.DataFrame) -> pd.DataFrame:
    table = pd.DataFrame([config.describe() for config in configs])
    table["seed"] = seed
    table["step_start"] = state.interval.cpu().numpy()
    table["loss"] = state.full_loss().double().cpu().numpy()
    by_run = history.groupby("run", sort=True)
    table["loss_min"] = by_run["loss"].min().to_numpy()
    codes = state.tracker._current.view(state.weights.shape)
    true = (state.true - state.problem.grid.low).to(torch.uint8)
    table["true_codes"] = (codes == true).double().mean(1).cpu().numpy()
    table["step_final"] = state.level_step().double().cpu().numpy()
    table["oscillating_share_mean"] = by_run["oscillating_share"].mean().to_numpy()
    statistics = state.tracker.to_frame().drop(columns=["layer"]).reset_index(drop=True)
    return pd.concat([table, statistics], axis=1)
