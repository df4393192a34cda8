"""Trains all configurations of one seed side by side, in one of two equivalent ways: compiled kernel or eager Torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ...kernels import native
from ...schedule import ThreeStage
from ...ste import MIN_STEP, encode
from ...tracker import OscillationTracker
from .problem import RegressionData, RegressionProblem, RunConfig, noise

BETAS, EPS = (0.9, 0.999), 1e-8  # torch.optim.Adam's defaults


def groups(configs: Sequence[RunConfig]) -> list[list[int]]:
    """Positions of the configurations that one :class:`EnsembleState` takes; plain ones keep their long strides."""
    kinds: dict[tuple[bool, bool], list[int]] = {}
    for position, config in enumerate(configs):
        kinds.setdefault((config.coupled, config.perturbation > 0), []).append(position)
    return list(kinds.values())


class EnsembleState:
    """All configurations of one seed: tensors with a row per run, advanced by one of two equivalent engines.

    Raises ``ValueError`` for coupled configurations among others (see :func:`groups`).
    """

    def __init__(
        self, configs: Sequence[RunConfig], problem: RegressionProblem, data: RegressionData, device: str | torch.device
    ) -> None:
        if len({c.coupled for c in configs}) > 1:
            raise ValueError("coupled and decoupled configurations need a state each")
        self.problem, self.done, self.seed = problem, 0, data.seed
        self.inputs, self.targets = data.inputs.to(device), data.targets.to(device)
        self.batches, self.true = data.batches.to(device), data.true_weights.to(device)
        runs, dtype = len(configs), data.inputs.dtype
        self.weights = data.start.to(device).repeat(runs, 1)
        self.first, self.second = torch.zeros_like(self.weights), torch.zeros_like(self.weights)
        step = torch.tensor([c.initial_step(data.start, problem.bits) for c in configs], dtype=torch.float64)
        # Float32 as in a module, then float64 so that both engines accumulate the step's gradient alike.
        self.step = step.to(dtype).double().to(device)
        self.start = self.step.clone()
        # Coupled, the learned interval itself: steps change it in place.
        self.interval = self.step if configs[0].coupled else self.start
        self.step_first, self.step_second = torch.zeros_like(self.step), torch.zeros_like(self.step)
        self.step_count = torch.zeros_like(self.step)
        self.lsq = torch.tensor([c.method == "lsq" for c in configs], device=device)
        self.lr = torch.tensor([c.lr for c in configs], dtype=torch.float64, device=device)
        self._schedules(configs, device)
        shapes = {str(r): (problem.n_weights,) for r in range(runs)}
        self.tracker = OscillationTracker(shapes, problem.bits).to(device)
        # The kernel shows it the codes before the noise comes, which count for nothing.
        self.idle = OscillationTracker(shapes, problem.bits, count_configurations=False)
        self.tracker.update_flat(self.codes().reshape(-1))

    def _schedules(self, configs: Sequence[RunConfig], device: str | torch.device) -> None:
        """Per-run schedules, (steps + 1, runs); equal schedules are computed once."""
        steps = self.problem.steps
        tables: dict[ThreeStage | None, np.ndarray] = {None: np.tile([1.0, 1.0, 0.0, 0.0], (steps + 1, 1))}
        keys = [c.schedule if c.method == "aoq" else None for c in configs]
        for schedule in keys:
            if schedule is not None and schedule not in tables:
                states = (schedule(t / steps) for t in range(steps + 1))
                tables[schedule] = np.array([(s.shrink, s.levels_learn, s.dampening, s.perturbation) for s in states])
        columns = torch.tensor(np.stack([tables[key] for key in keys], 1), device=device)
        self.shrink, self.learns, self.dampening, self.spread = (columns[..., i].contiguous() for i in range(4))
        # So many steps end with noise; they are the first ones.
        self.noisy = int((self.spread[:-1] > 0).any(1).sum())

    def threshold_step(self) -> Tensor:
        step = torch.where(self.lsq, self.step, self.shrink[self.done] * self.interval)
        return step.clamp_min(MIN_STEP).to(self.weights.dtype)

    def level_step(self) -> Tensor:
        step = torch.where(self.lsq, self.step, self.shrink[self.done] * self.step)
        return step.clamp_min(MIN_STEP).to(self.weights.dtype)

    def codes(self) -> Tensor:
        return encode(self.weights, self.threshold_step(), self.problem.grid)

    def full_loss(self, separately: bool = False) -> Tensor:
        """Mean squared error on all samples, (runs,).

        A product with all runs at once rounds differently with their number. ``separately`` is slower and does not.
        """
        quantized = self.problem.grid.decode(self.tracker._current.view(self.weights.shape), self.level_step())
        if separately:  # a clone, because a row's place in memory can change the rounding too
            return torch.stack([(self.inputs @ row.clone() - self.targets).square().mean() for row in quantized])
        return (quantized @ self.inputs.T - self.targets).square().mean(1)

    def advance(self, steps: int) -> None:
        """Take ``steps`` training steps in every run; the tracker sees every one."""
        end = min(self.done + steps, self.problem.steps)
        compiled = native.usable(self.weights, self.inputs)
        while self.done < min(end, self.noisy):
            if compiled:
                self._advance_native(1, self.idle)
            else:
                self._step_eager()
            self._perturb()
            self.tracker.update_flat(self.codes().reshape(-1))
        if compiled and self.done < end:
            self._advance_native(end - self.done, self.tracker)
        while self.done < end:
            self._step_eager()
            self.tracker.update_flat(self.codes().reshape(-1))

    def _perturb(self) -> None:
        """Noise at the end of a step, in units of the threshold interval that the step was taken with."""
        last = self.done - 1
        drawn = noise(self.seed, last, self.problem.n_weights).to(self.weights)
        scale = self.spread[last] * self.shrink[last] * self.interval
        self.weights += scale.to(self.weights.dtype).unsqueeze(1) * drawn

    def _advance_native(self, steps: int, tracker: OscillationTracker) -> None:
        t, runs = self.done, len(self.weights)
        rows = slice(t, t + steps + 1)
        hashes = torch.empty(steps, runs, dtype=torch.int64)
        native.call(
            f"toy_steps_{native.SUFFIX[self.weights.dtype]}",
            *(self.inputs, self.targets, self.batches[t : t + steps].contiguous()),
            *(self.problem.n_weights, self.problem.batch_size, runs, self.weights, self.first, self.second),
            *(self.step, self.step_first, self.step_second, self.step_count, self.interval),
            *(self.lsq, self.lr.expand(steps, runs).contiguous(), self.shrink[rows], self.dampening[rows]),
            *(self.learns[rows].to(torch.uint8), hashes, tracker._hamming_max, t, *BETAS, EPS, steps),
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
        lsq = self.lsq.unsqueeze(1)
        sums = torch.where(lsq, slope_sums, shrink.unsqueeze(1) * level_sums)
        step_gradient = (residual * sums).sum(1)

        gradient = residual.to(w.dtype) @ x
        away = torch.where(lsq, 0.0, w - threshold_step.unsqueeze(1) * k)
        norm = torch.linalg.vector_norm(away, dim=1)
        pull = torch.where(norm > 0, self.dampening[self.done] / norm, 0.0).to(w.dtype)
        gradient = torch.where(lsq & ~inside, 0.0, gradient) + pull.unsqueeze(1) * away

        self.step_count += learns
        self._adam(self.step, self.step_first, self.step_second, step_gradient, self.lr, self.step_count, learns)
        count = torch.full_like(self.step_count, self.done + 1)
        self._adam(w, self.first, self.second, gradient, self.lr, count, torch.ones_like(learns))
        self.done += 1

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

    def record(self, separately: bool = False) -> pd.DataFrame:
        """Per-run loss (see :meth:`full_loss`) and step now, in addition to the tracker's own record."""
        self.tracker._record()
        numbers = {
            "loss": self.full_loss(separately),
            "step_size": self.step,
            "shrink": self.shrink[self.done],
        }
        return pd.DataFrame({name: value.double().cpu().numpy() for name, value in numbers.items()})
