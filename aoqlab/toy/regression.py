"""Toy regression (Figure 2 of the paper): find quantized weights that fit noiseless linear data.

One call trains a whole ensemble: every configuration on every seed, all configurations of a seed side by side.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from .. import _native
from ..grids import UniformGrid, check_bits
from ..schedule import ThreeStage
from ..ste import MIN_STEP
from ..tracker import OscillationTracker

Method = Literal["lsq", "aoq"]
BETAS, EPS = (0.9, 0.999), 1e-8  # torch.optim.Adam's defaults


@dataclass(frozen=True)
class RegressionProblem:
    """Size of the problem: true weights uniform on the integer grid, Gaussian samples, no noise.

    The default is the paper's; :data:`REDUCED` has the same shape at a fifth of the size.
    """

    n_weights: int = 10_000
    n_samples: int = 2_000
    batch_size: int = 20
    epochs: int = 200
    bits: int = 2

    def __post_init__(self) -> None:
        check_bits(self.bits)
        for name in ("n_weights", "n_samples", "batch_size", "epochs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.n_samples % self.batch_size:
            raise ValueError(f"batch_size {self.batch_size} must divide n_samples {self.n_samples}")
        if self.n_samples > self.n_weights:
            raise ValueError(
                f"n_samples ({self.n_samples}) must not exceed n_weights ({self.n_weights}): the full-precision start "
                "is the exact fit closest to a random point"
            )

    @property
    def steps(self) -> int:
        return self.epochs * self.n_samples // self.batch_size

    @property
    def grid(self) -> UniformGrid:
        return UniformGrid(self.bits, "mid-tread")


FULL = RegressionProblem()
REDUCED = RegressionProblem(n_weights=2_000, n_samples=400)


@dataclass(frozen=True)
class RegressionData:
    """One seed's data: ``inputs`` (samples, weights), ``targets`` (samples,), ``batches`` (steps, batch) of rows."""

    inputs: Tensor
    targets: Tensor
    true_weights: Tensor
    start: Tensor
    """Full-precision start, zero loss: ``z + X^+ (y - X z)`` with ``z ~ N(0, 1)``."""
    batches: Tensor


def make_data(problem: RegressionProblem, seed: int, *, dtype: torch.dtype = torch.float32) -> RegressionData:
    """Draw the data of one seed (on CPU, so that it is the same for every device)."""
    generator = torch.Generator().manual_seed(seed)
    grid = problem.grid
    true = torch.randint(grid.low, grid.high + 1, (problem.n_weights,), generator=generator)
    inputs = torch.randn(problem.n_samples, problem.n_weights, generator=generator).double()
    z = torch.randn(problem.n_weights, generator=generator).double()
    targets = inputs @ true.double()
    # Minimum-norm correction in closed form; double precision, because the start is to have zero loss.
    kernel = torch.linalg.cholesky(inputs @ inputs.T)
    start = z + inputs.T @ torch.cholesky_solve((targets - inputs @ z).unsqueeze(1), kernel).squeeze(1)
    orders = [torch.randperm(problem.n_samples, generator=generator) for _ in range(problem.epochs)]
    batches = torch.stack(orders).reshape(problem.steps, problem.batch_size)
    return RegressionData(inputs.to(dtype), targets.to(dtype), true.to(dtype), start.to(dtype), batches)


@dataclass(frozen=True)
class RunConfig:
    """One training: method, learning rate, and how large the quantization intervals are.

    ``step_init``: initial LSQ step, or initial interval of AOQ (both intervals); ``None`` takes the method's own rule
    (LSQ: ``2 mean|w| / sqrt(Q_P)``; AOQ: ``sigma / 2^(b-2)``). ``schedule`` matters to AOQ only.
    """

    method: Method
    lr: float = 1e-3
    step_init: float | None = None
    schedule: ThreeStage = field(default_factory=ThreeStage)

    def __post_init__(self) -> None:
        if self.method not in ("lsq", "aoq"):
            raise ValueError(f"method must be 'lsq' or 'aoq', got {self.method!r}")
        for name, value in (("lr", self.lr), ("step_init", self.step_init)):
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{name} must be positive and finite, got {value}")

    def initial_step(self, start: Tensor, bits: int) -> float:
        if self.step_init is not None:
            return self.step_init
        if self.method == "lsq":
            return 2 * float(start.abs().mean()) / math.sqrt(2 ** (bits - 1) - 1)
        return float(start.std()) / 2 ** (bits - 2)

    def describe(self) -> dict[str, Any]:
        """Columns of a result table; the schedule's are NaN for LSQ."""
        staged = self.method == "aoq"
        schedule = {name: value if staged else math.nan for name, value in asdict(self.schedule).items()}
        return {"method": self.method, "lr": self.lr, "step_init": self.step_init, **schedule}


@dataclass(frozen=True)
class EnsembleResult:
    """Tables of an ensemble; ``run`` numbers the rows of ``runs`` and links the others to it.

    ``runs``: a row per run with its configuration, ``seed``, final ``loss`` (mean squared error on all samples),
    ``loss_min`` (over the recorded steps), ``true_codes`` (share of weights with the true code), ``step_start`` and
    ``step_final`` (step or level interval) and all tracker statistics. ``history``: a row per run and recorded step.
    ``levels``: level histograms (run, step, level, share). ``trajectories``: run, step, weight, value, code of the
    first weights, if asked for. ``start``: seed → pre-trained weights; ``codes`` and ``transitions``: run → final codes, and transition counts.
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
        """Figure 2 of one run: columns ``weight`` (pre-trained) and ``level`` (where it ended, in units of the step)."""
        weights = self.start[int(self.runs.loc[run, "seed"])]
        return pd.DataFrame({"weight": weights, "level": self.codes[run].astype(int) + self.grid.low})


class _State:
    """All configurations of one seed: tensors with a row per run, advanced by one of two equivalent engines."""

    def __init__(
        self, configs: Sequence[RunConfig], problem: RegressionProblem, data: RegressionData, device: str | torch.device
    ) -> None:
        self.problem, self.done = problem, 0
        self.inputs, self.targets = data.inputs.to(device), data.targets.to(device)
        self.batches, self.true = data.batches.to(device), data.true_weights.to(device)
        runs, dtype = len(configs), data.inputs.dtype
        self.weights = data.start.to(device).repeat(runs, 1)
        self.first, self.second = torch.zeros_like(self.weights), torch.zeros_like(self.weights)
        step = torch.tensor([c.initial_step(data.start, problem.bits) for c in configs], dtype=torch.float64)
        # Float32 as in a module, then float64 so that both engines accumulate the step's gradient alike.
        self.step = step.to(dtype).double().to(device)
        self.interval = self.step.clone()
        self.step_first, self.step_second = torch.zeros_like(self.step), torch.zeros_like(self.step)
        self.step_count = torch.zeros_like(self.step)
        self.coupled = torch.tensor([c.method == "lsq" for c in configs], device=device)
        self.lr = torch.tensor([c.lr for c in configs], dtype=torch.float64, device=device)
        self._schedules(configs, device)
        self.tracker = OscillationTracker({str(r): (problem.n_weights,) for r in range(runs)}, problem.bits).to(device)
        self.tracker.update_flat(self.codes().reshape(-1))

    def _schedules(self, configs: Sequence[RunConfig], device: str | torch.device) -> None:
        """Per-run schedules, (steps + 1, runs); equal schedules are computed once."""
        steps = self.problem.steps
        tables: dict[ThreeStage | None, np.ndarray] = {None: np.tile([1.0, 1.0, 0.0], (steps + 1, 1))}
        keys = [c.schedule if c.method == "aoq" else None for c in configs]
        for schedule in keys:
            if schedule is not None and schedule not in tables:
                states = (schedule(t / steps) for t in range(steps + 1))
                tables[schedule] = np.array([(s.shrink, s.levels_learn, s.dampening) for s in states])
        columns = torch.tensor(np.stack([tables[key] for key in keys], 1), device=device)
        self.shrink, self.learns, self.dampening = (columns[..., i].contiguous() for i in range(3))

    def threshold_step(self) -> Tensor:
        step = torch.where(self.coupled, self.step, self.shrink[self.done] * self.interval)
        return step.clamp_min(MIN_STEP).to(self.weights.dtype)

    def level_step(self) -> Tensor:
        step = torch.where(self.coupled, self.step, self.shrink[self.done] * self.step)
        return step.clamp_min(MIN_STEP).to(self.weights.dtype)

    def codes(self) -> Tensor:
        return self.problem.grid.encode(self.weights, self.threshold_step())

    def full_loss(self) -> Tensor:
        quantized = self.problem.grid.decode(self.tracker._current.view(self.weights.shape), self.level_step())
        return (quantized @ self.inputs.T - self.targets).square().mean(1)

    def advance(self, steps: int) -> None:
        """Take ``steps`` training steps in every run; the tracker sees every one."""
        steps = min(steps, self.problem.steps - self.done)
        if _native.usable(self.weights, self.inputs):
            self._advance_native(steps)
        else:
            for _ in range(steps):
                self._step_eager()

    def _advance_native(self, steps: int) -> None:
        t, tracker, runs = self.done, self.tracker, len(self.weights)
        rows = slice(t, t + steps + 1)
        hashes = torch.empty(steps, runs, dtype=torch.int64)
        losses = torch.empty(steps, runs, dtype=torch.float64)
        _native.call(
            f"toy_steps_{_native.SUFFIX[self.weights.dtype]}",
            *(self.inputs, self.targets, self.batches[t : t + steps].contiguous()),
            *(self.problem.n_weights, self.problem.batch_size, runs, self.weights, self.first, self.second),
            *(self.step, self.step_first, self.step_second, self.step_count, self.interval),
            *(self.coupled, self.lr.expand(steps, runs).contiguous(), self.shrink[rows], self.dampening[rows]),
            *(self.learns[rows].to(torch.uint8), losses, hashes, tracker._hamming_max, t, *BETAS, EPS, steps),
            *(*tracker._native_state(), torch.get_num_threads()),
        )
        tracker._advance(steps, hashes)
        self.done += steps

    def _step_eager(self) -> None:
        grid, batch = self.problem.grid, self.problem.batch_size
        rows = self.batches[self.done]
        x, y, w = self.inputs[rows], self.targets[rows], self.weights
        threshold_step, level_step = self.threshold_step(), self.level_step()
        k = grid.position(w, threshold_step)
        v = w / threshold_step.unsqueeze(1)
        inside = (v > grid.low) & (v < grid.high)
        level_sums = (k @ x.T).double()
        slope_sums = (torch.where(inside, k - v, k) @ x.T).double()
        residual = (level_step.double().unsqueeze(1) * level_sums - y.double()) * (2 / batch)
        shrink, learns = self.shrink[self.done], self.learns[self.done]
        coupled = self.coupled.unsqueeze(1)
        sums = torch.where(coupled, slope_sums, shrink.unsqueeze(1) * level_sums)
        step_gradient = (residual * sums).sum(1)

        gradient = residual.to(w.dtype) @ x
        away = torch.where(coupled, 0.0, w - threshold_step.unsqueeze(1) * k)
        norm = torch.linalg.vector_norm(away, dim=1)
        pull = torch.where(norm > 0, self.dampening[self.done] / norm, 0.0).to(w.dtype)
        gradient = torch.where(coupled & ~inside, 0.0, gradient) + pull.unsqueeze(1) * away

        self.step_count += learns
        self._adam(self.step, self.step_first, self.step_second, step_gradient, self.lr, self.step_count, learns)
        count = torch.full_like(self.step_count, self.done + 1)
        self._adam(w, self.first, self.second, gradient, self.lr, count, torch.ones_like(learns))
        self.done += 1
        self.tracker.update_flat(self.codes().reshape(-1))

    @staticmethod
    def _adam(
        value: Tensor, first: Tensor, second: Tensor, gradient: Tensor, lr: Tensor, count: Tensor, active: Tensor
    ) -> None:
        """Adam in place, a row per run; rows that are not active keep value and moments."""

        def rows(per_run: Tensor) -> Tensor:
            return per_run.to(value.dtype).reshape(-1, *([1] * (value.ndim - 1)))

        on = rows(active)
        first += on * (gradient - first) * (1 - BETAS[0])
        second += on * (gradient.square() - second) * (1 - BETAS[1])
        count = count.clamp_min(1)
        root = rows((1 - BETAS[1] ** count).sqrt())
        value -= on * rows(lr / (1 - BETAS[0] ** count)) * first / (second.sqrt() / root + EPS)

    def record(self) -> pd.DataFrame:
        """Per-run loss and step now, beside the tracker's own record."""
        self.tracker._record()
        numbers = {
            "loss": self.full_loss(),
            "step_size": self.step,
            "shrink": self.shrink[self.done],
            "batch_step": torch.full_like(self.step, self.done),
        }
        return pd.DataFrame({name: value.double().cpu().numpy() for name, value in numbers.items()})


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

    ``records``: how many times, evenly spread, the history is taken (the start comes on top). ``trajectories``: how many
    weights to follow. ``progress`` is called with the number of training steps done, summed over runs. On CPU the
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
        state = _State(configs, problem, data, device)
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


def _followed(state: _State, first_run: int, count: int) -> pd.DataFrame:
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


def _finish(state: _State, configs: Sequence[RunConfig], seed: int, history: pd.DataFrame) -> pd.DataFrame:
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
