"""The landscape explorer: choose a start and watch conventional and oscillating training walk (Figure 1).

The browser walks by itself, in double precision and by the steps of :mod:`aoqlab.lab.toy.landscape`, so that it needs
no kernel; where there is one, the walks of that module replace them once the controls are at rest. They can differ only
where rounding decides: dampening has the same strength however near a weight is to the middle of its bin, so that there
its direction depends on the last bit. None of 3,360 walks of the default schedule differed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ....schedule import ThreeStage
from ... import plots
from ...toy.landscape import LandscapeResult, run_landscape, stage_factors
from ...toy.wells import LandscapeProblem
from ..base import Explorer, Menu, Slider, packed

SHRINKS = tuple(np.linspace(0.1, 1.0, 19).round(2).tolist())
LEARNING_RATES = (0.025, 0.035, 0.05, 0.07, 0.1, 0.14, 0.2, 0.28, 0.4, 0.57, 0.8)
STOPS = 61
"""Places of a start on either axis."""
METHODS = ("conventional", "oscillating")
SPEEDS = {"10": "10 steps per second", "25": "25 steps per second", "60": "60 steps per second"}
TRACES = {"latent": "latent weights", "quantized": "grid points alone"}


def landscape(
    problem: LandscapeProblem | None = None, *, steps: int = 400, schedule: ThreeStage | None = None
) -> Landscape:
    """Explore walks on the landscape, ``steps`` long; ``schedule`` is AOQ's, with every ``shrink_min`` tried.

    Raise ``ValueError`` for steps below 1.
    """
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ValueError(f"steps must be a whole number of at least 1, got {steps!r}")
    return Landscape(problem or LandscapeProblem(), steps, schedule or ThreeStage())


class Landscape(Explorer):
    """Made by :func:`landscape`."""

    script = Path(__file__).with_name("explorer.js")

    def __init__(self, problem: LandscapeProblem, steps: int, schedule: ThreeStage) -> None:
        self.problem, self.steps, self.schedule = problem, steps, schedule
        places = np.linspace(-problem.extent, problem.extent, STOPS).round(6).tolist()
        first, second = problem.shallow.center
        near = [int(np.argmin(np.abs(np.array(places) - place))) for place in (first - 0.1, second + 0.05)]
        super().__init__(
            "Landscape: two weights, two basins",
            [
                Slider("w1", "start, weight w₁", places, shown=_signed, start=near[0]),
                Slider("w2", "start, weight w₂", places, shown=_signed, start=near[1]),
                Slider("shrink_min", "AOQ shrinks to α", SHRINKS, shown="{:.2f}".format, start=SHRINKS.index(0.3)),
                Slider("lr", "learning rate η", LEARNING_RATES, shown="{:g}".format, start=LEARNING_RATES.index(0.2)),
                Slider("step", "training step", range(steps + 1), start=steps, play=1000 // 25),
                Menu("speed", "speed of Play", SPEEDS, "25"),
                Menu("trace", "lines follow", TRACES),
            ],
            data={
                "steps": steps,
                "problem": {
                    "spacing": problem.spacing,
                    "reach": problem.reach,
                    "bowl": problem.bowl,
                    "wells": [[*well.center, well.depth, well.width] for well in (problem.shallow, problem.deep)],
                },
                "conventional": packed(stage_factors(None, steps), "float64"),
                "oscillating": packed(
                    [stage_factors(replace(schedule, shrink_min=m), steps) for m in SHRINKS], "float64"
                ),
                "stages": [list(stage) for stage in self.stages()],
                "colors": {method: plots.method_color(method) for method in METHODS},
            },
        )

    def stages(self) -> list[tuple[float, float, str]]:
        """Return first and last step and name of every stage of AOQ's schedule."""
        shrink, dampen = self.schedule.shrink_until, max(self.schedule.shrink_until, self.schedule.dampen_from)
        spans = [(0.0, shrink, "shrink"), (shrink, dampen, "widen"), (dampen, 1.0, "dampen")]
        return [(start * self.steps, end * self.steps, name) for start, end, name in spans if end > start]

    def walks(self, state: Mapping[str, Any] | None = None) -> LandscapeResult:
        """Walk with both methods from the start of a state, to the last step."""
        return run_landscape(
            self.problem,
            starts=np.array([[self.value("w1", state), self.value("w2", state)]]),
            steps=self.steps,
            lr=self.value("lr", state),
            schedule=replace(self.schedule, shrink_min=self.value("shrink_min", state)),
        )

    def answer_walk(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Return the package's walks: per method weights (double) and positions k (int32), both (steps + 1, 2)."""
        paths, answer = self.walks(state).paths, {}
        for method in METHODS:
            own = paths[paths["method"] == method]
            answer[f"{method}_weights"] = packed(own[["w1", "w2"]], "float64")
            answer[f"{method}_positions"] = packed(np.rint(own[["q1", "q2"]] / self.problem.spacing), "int32")
        return answer

    def figure(self, state: Mapping[str, Any]) -> Figure:
        paths = self.walks(state).paths
        paths = paths[paths["step"] <= self.value("step", state)]
        values, x, y = self.problem.surface()
        figure = Figure(figsize=(9.4, 4.4), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=[1, 1])
        plots.landscape(values, self.problem.levels, x=x, y=y, paths=paths, trace=state["trace"], ax=left)
        frame = paths.rename(columns={"start": "run"})
        stages = [stage for stage in self.stages() if stage[0] < self.value("step", state)]
        plots.crossings_over_time(frame, y="value", seeds=False, stages=stages, ax=right)
        right.set(ylabel=r"$f$ at the grid point", xlim=(0, self.steps))
        return figure

    def record(self, state: Mapping[str, Any]) -> dict[str, Any]:
        names = ("w1", "w2", "shrink_min", "lr", "step", "trace")
        settings = {name: self.value(name, state) for name in names}
        return {"parameters": {"problem": self.problem, "schedule": self.schedule, "steps": self.steps, **settings}}


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-", "\N{MINUS SIGN}")
