"""Training on the two-dimensional landscape of Figure 1: from a shallow basin to a deeper one, or not.

Straight-through gradient descent on two quantized weights; all starts of all settings are trained at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...arguments import check_count
from ...schedule import ThreeStage, cosine_ramp
from ..shared.limits import check_memory
from .basins import hull_area, shares
from .wells import Array, LandscapeProblem, Starts
from .wells import Well as Well  # the problem is built of two

STEPS = 400


@dataclass(frozen=True)
class LandscapeResult:
    """``paths``: a row per method, start and step: weights w1, w2, grid point q1, q2 and f there (``value``).

    ``ends``: a row per run, as :func:`sweep` returns it.
    """

    problem: LandscapeProblem
    paths: pd.DataFrame
    ends: pd.DataFrame

    def summary(self) -> pd.DataFrame:
        """One row per method, as :func:`shares` computes it."""
        return shares(self.ends)


def run_landscape(
    problem: LandscapeProblem | None = None,
    *,
    starts: Starts | Array = "shallow",
    n_starts: int = 200,
    steps: int = STEPS,
    lr: float = 0.2,
    lr_decay: bool = False,
    schedule: ThreeStage | None = None,
    seed: int = 0,
) -> LandscapeResult:
    """Both methods from the same starts, with the same learning rate and number of steps.

    Step t: ``q = level(k(w))``, ``w <- w - lr (grad f(q) + pull)``: plain gradient descent, no noise, no momentum.

    * conventional: thresholds ``spacing (k - 1/2)`` and levels ``spacing k`` stay.
    * oscillating: AOQ. Both intervals times the shrink factor alpha (stage 1); thresholds stay shrunk while levels
      return to ``spacing k`` along half a cosine (stage 2; in the paper they are learned, but then the two methods
      would not be scored on the same points); the published dampening pulls with ``dampening * (w - c) / |w - c|``, c
      being the middle of the threshold bin (stage 3).

    Once the levels are back, dividing w by alpha turns the oscillating update into the conventional one with learning
    rate ``lr / alpha``. The default ``lr`` is one over the wells' curvature, where descent without quantization
    converges fastest; the default schedule is the published one. ``lr_decay`` lets it fall linearly to 0.
    """
    problem, schedule = problem or LandscapeProblem(), schedule or ThreeStage()
    points = problem.starts(starts, n_starts, seed) if isinstance(starts, str) else np.array(starts, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or not len(points) or not np.isfinite(points).all():
        raise ValueError(f"starts must be finite points of shape (n, 2), got shape {points.shape}")
    ends, paths = _train(problem, points, [(lr, None), (lr, schedule)], steps, lr_decay, keep=True)
    return LandscapeResult(problem, paths, ends)


def sweep(
    problem: LandscapeProblem | None = None,
    *,
    shrink_mins: Sequence[float] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
    lrs: Sequence[float] = (0.025, 0.05, 0.1, 0.2, 0.4, 0.8),
    n_starts: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """Conventional training at every learning rate, oscillating at every learning rate and shrink factor.

    From starts around the shallow basin, with the published schedule except for its shrink factor.

    A row per run: method, lr, shrink_min (NaN: conventional), start, the end point q1, q2, f there (``value``), its
    ``basin``, the number of grid points ``visited``, thresholds crossed (``crossings``; ``late_crossings``: in the last
    tenth of the steps), the ``hull_area`` of the points visited (units of w squared), ``found_deep`` (ended there),
    ``visited_deep``. :func:`aoqlab.lab.toy.basins.shares` sums it up.
    """
    problem = problem or LandscapeProblem()
    schedules = [None, *(ThreeStage(shrink_min=shrink) for shrink in shrink_mins)]
    settings = [(lr, schedule) for lr in lrs for schedule in schedules]
    return _train(problem, problem.starts("shallow", n_starts, seed), settings)[0]


def stage_factors(schedule: ThreeStage | None, steps: int) -> Array:
    """Factors on thresholds and levels, and dampening, before every step: (steps + 1, 3).

    Conventional training (``None``): 1, 1, 0 throughout. AOQ: alpha falls on both (stage 1), levels return from
    ``shrink_min`` to 1 along half a cosine (stage 2), dampening is that of the schedule (stage 3). The last row is
    that of the end, where nothing moves any more.
    """
    rows = np.tile([1.0, 1.0, 0.0], (steps + 1, 1))
    if schedule is None:
        return rows
    for t in range(steps + 1):
        now, level = schedule(t / steps), 1.0
        if now.stage == "shrink":
            level = now.shrink
        elif now.stage == "widen":
            done = (t / steps - schedule.shrink_until) / (schedule.dampen_from - schedule.shrink_until)
            level = schedule.shrink_min + cosine_ramp(done, 1 - schedule.shrink_min)
        rows[t] = now.shrink, level, now.dampening
    return rows


def _train(
    problem: LandscapeProblem,
    starts: Array,
    settings: Sequence[tuple[float, ThreeStage | None]],
    steps: int = STEPS,
    lr_decay: bool = False,
    keep: bool = False,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train every setting (learning rate, schedule or None) from every start; the ends and, if kept, the paths."""
    check_count("steps", steps)
    if not all(0 < lr < math.inf for lr, _ in settings):
        raise ValueError(f"learning rates must be positive and finite, got {[lr for lr, _ in settings]}")
    runs, reach, n = (len(settings), len(starts)), problem.reach, 2 * problem.reach + 1
    needed = 24 * len(settings) * (steps + 1) + len(settings) * len(starts) * (n * n + (32 * steps if keep else 0))
    check_memory(f"{len(settings)} settings from {len(starts)} starts, {steps} steps on {n}x{n} points", needed)
    cuts = np.arange(-reach, reach) + 0.5
    rates = np.array([lr for lr, _ in settings])[:, None, None]
    factors = np.stack([stage_factors(schedule, steps) for _, schedule in settings], 1)[..., None, None]
    setting, start = np.indices(runs)
    visited = np.zeros((*runs, n, n), dtype=bool)
    crossings, late = np.zeros((2, *runs), dtype=np.int64)
    points = problem.spacing * np.moveaxis(np.indices((n, n)) - reach, 0, -1)
    w, kept = np.tile(starts, (len(settings), 1, 1)), []
    k = np.zeros((*runs, 2), dtype=np.int64)
    for t, (thresholds, levels, dampening) in enumerate(factors.swapaxes(1, 2)):
        before, k = k, np.searchsorted(cuts, w / (problem.spacing * thresholds), side="right") - reach
        if t:
            crossed = np.abs(k - before).sum(-1)
            crossings += crossed
            late += crossed if t > 0.9 * steps else 0
        row, column = k[..., 0] + reach, k[..., 1] + reach
        visited[setting, start, row, column] = True
        if keep:
            kept.append((w, k))
        if t < steps:
            # 49 points per setting, however many starts there are
            gradient = problem.gradient(levels[..., None] * points)[setting, row, column]
            if dampening.any():
                away = w - problem.spacing * thresholds * k
                norm = np.linalg.norm(away, axis=-1, keepdims=True)
                gradient += dampening * away / np.where(norm > 0, norm, 1.0)
            w = w - (rates * (1 - t / steps) if lr_decay else rates) * gradient
    ends = _tidy(problem, settings, k)
    ends["visited"] = visited.sum((-1, -2)).ravel()
    ends["crossings"], ends["late_crossings"] = crossings.ravel(), late.ravel()
    ends["hull_area"] = problem.spacing**2 * hull_area(visited).ravel()
    ends["basin"] = problem.basin(ends[["q1", "q2"]].to_numpy())
    ends["found_deep"] = ends["basin"] == "deep"
    ends["visited_deep"] = (visited & (problem.basin(points) == "deep")).any((-1, -2)).ravel()
    if not keep:
        return ends, pd.DataFrame()
    weights, positions = (np.moveaxis(np.stack(series), 0, 2) for series in zip(*kept, strict=True))
    return ends, _tidy(problem, settings, positions, weights)


def _tidy(
    problem: LandscapeProblem,
    settings: Sequence[tuple[float, ThreeStage | None]],
    positions: NDArray[np.int64],
    weights: Array | None = None,
) -> pd.DataFrame:
    """Return a row per setting, start and, with ``weights``, step: what was run, and the grid point with f there."""
    setting, start, *step = np.indices(positions.shape[:-1]).reshape(positions.ndim - 1, -1)
    points = problem.spacing * positions.reshape(-1, 2)
    columns = {
        "method": np.array(["conventional" if s is None else "oscillating" for _, s in settings])[setting],
        "lr": np.array([lr for lr, _ in settings])[setting],
        "shrink_min": np.array([math.nan if s is None else s.shrink_min for _, s in settings])[setting],
        "start": start,
    }
    if weights is not None:
        columns |= {"step": step[0], "w1": weights[..., 0].ravel(), "w2": weights[..., 1].ravel()}
    return pd.DataFrame(columns | {"q1": points[:, 0], "q2": points[:, 1], "value": problem.value(points)})


def tuned(ends: pd.DataFrame, problem: LandscapeProblem | None = None, *, n_starts: int = 200) -> pd.DataFrame:
    """Run each method at its best of equally many settings, chosen on one set of starts, from fresh ones.

    ``ends``: the :func:`sweep` to choose from, of the same problem and number of starts. Conventional training chooses
    from as many learning rates as the sweep has settings that oscillate, in equal ratios from the sweep's lowest to its
    highest ``lr / shrink_min``: everything that a shrunk interval could amount to. A row per run, as :func:`sweep`.
    """
    problem = problem or LandscapeProblem()
    table = shares(ends).query("method == 'oscillating'")
    best = table.loc[table["share_deep"].idxmax()]
    rates = np.geomspace(table["lr"].min(), (table["lr"] / table["shrink_min"]).max(), len(table))
    trials, _ = _train(problem, problem.starts("shallow", n_starts), [(float(lr), None) for lr in rates])
    scores = shares(trials)
    lr = float(scores.loc[scores["share_deep"].idxmax(), "lr"])
    chosen = [(lr, None), (float(best["lr"]), ThreeStage(shrink_min=float(best["shrink_min"])))]
    return _train(problem, problem.starts("shallow", n_starts, seed=1), chosen)[0]
