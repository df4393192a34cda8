"""The three stages of AOQ as a pure function of training progress. Needs no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from .arguments import check_count, check_flag, check_number

StageName = Literal["shrink", "widen", "dampen"]


@dataclass(frozen=True)
class StageState:
    """What holds at one moment of training."""

    stage: StageName
    shrink: float
    """alpha: factor on both intervals, dimensionless."""
    levels_learn: bool
    """Whether the level interval s_le receives updates."""
    dampening: float
    """Weight lambda of the dampening loss."""
    perturbation: float = 0.0
    """Standard deviation of the noise on the weights after each step, in threshold intervals ``alpha s_th``."""


@dataclass(frozen=True)
class ThreeStage:
    """Shrink, widen, dampen: AOQ's schedule over training progress ``p`` in [0, 1].

    * **shrink** (``p <= shrink_until``): ``alpha = m + (1 - m) (1 + cos(pi t)) / 2`` with ``t = p / shrink_until`` and
      ``m = shrink_min``: half a cosine from 1 to ``shrink_min``; levels do not learn.
    * **widen** (until ``dampen_from``): ``alpha = shrink_min`` stays, the level interval learns.
    * **dampen** (``p >= dampen_from``): the dampening loss has weight ``dampening``; the rest as in widen.

    ``staircase=n`` refreshes progress only n times in a training (``p`` becomes ``floor(n p) / n`` for the shrink
    factor). The published run, 250 epochs refreshed every 5th, is ``ThreeStage(staircase=50)`` called with
    ``epoch / 250``: ``alpha = 0.65 + 0.35 cos(2 pi epoch / 100)``, a staircase from 1 to 0.3.

    Ablations: ``shrink_min=1`` (no shrink), ``dampening=0`` (no dampening), ``shrink_until=1`` (shrink throughout),
    ``dampen_from=0`` (dampening from the start, while shrinking too), ``levels_learn=False`` (the level interval is
    held for the whole training). ``perturbation=r`` is the control of the shrink stage: Gaussian noise of standard
    deviation ``r`` threshold intervals on the weights after each of its steps. With ``shrink_until=0`` there is no
    shrink stage: the factor is ``shrink_min`` and the levels learn at once.

    Raises ``ValueError`` for values out of range. Source: Xie et al., ICCV 2025, section on the training stages.
    """

    shrink_until: float = 0.2
    dampen_from: float = 0.6
    shrink_min: float = 0.3
    dampening: float = 0.01
    staircase: int | None = None
    levels_learn: bool = True
    perturbation: float = 0.0

    def __post_init__(self) -> None:
        for name in ("shrink_until", "dampen_from"):
            check_number(name, getattr(self, name))
        check_number("shrink_min", self.shrink_min, "(0, 1]")
        for name in ("dampening", "perturbation"):
            check_number(name, getattr(self, name), "[0, inf)")
        if self.staircase is not None:
            check_count("staircase", self.staircase, also=", or None")
        check_flag("levels_learn", self.levels_learn)

    def __call__(self, progress: float) -> StageState:
        """Return the state at ``progress``, the share of training that is done, in [0, 1]."""
        check_number("progress", progress)
        learn = progress > self.shrink_until or self.shrink_until == 0
        dampen = progress >= self.dampen_from
        stage: StageName = "shrink" if not learn else "dampen" if dampen else "widen"
        return StageState(
            stage,
            self._shrink(progress),
            learn and self.levels_learn,
            self.dampening if dampen else 0.0,
            0.0 if learn else self.perturbation,
        )

    def _shrink(self, progress: float) -> float:
        if progress > self.shrink_until or self.shrink_until == 0:
            return self.shrink_min
        if self.staircase is not None:
            # 1e-9: progress arrives as a quotient of epochs, and 29/100 * 100 is 29 - 4e-15
            progress = math.floor(progress * self.staircase + 1e-9) / self.staircase
        t = progress / self.shrink_until
        return self.shrink_min + (1 - self.shrink_min) * (1 + math.cos(math.pi * t)) / 2


def cosine_ramp(progress: float, final: float) -> float:
    """Return ``final * (1 - cos(pi p)) / 2``, which rises from 0 to ``final`` along half a cosine (Nagel et al.)."""
    check_number("progress", progress)
    return final * (1 - math.cos(math.pi * progress)) / 2
