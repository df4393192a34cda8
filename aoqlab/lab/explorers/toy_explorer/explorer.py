"""The toy explorer: a point on the stored surface of the toy regression, its runs over time, and runs made live.

For one seed, the tables in ``data/results`` also hold single weights: trajectories, and Figure 2 (pre-trained weights
by final level). The kernel can train any setting on a smaller problem, which is shown in the same axes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from ....schedule import ThreeStage
from ... import plots
from ...claims import stored_surface
from ...claims.experiments import FIRST
from ...shared import paths
from ...toy.regression import EnsembleResult, RegressionProblem, RunConfig, one_thread, run_ensemble
from ...toy.samples import EDGES, FOLLOWED, Sample, sample_of, thresholds_of
from ...toy.surface import PUBLISHED_LR, PUBLISHED_SHRINK
from ..base import Check, Control, Explorer, Menu, Slider, packed
from .figure import METHODS, drawn

LIVE = RegressionProblem(n_weights=1_000, n_samples=200)
"""What is trained live: a tenth of the paper's weights and samples, as many epochs; a fifth of a second."""
LIVE_SEEDS = (0, 1, 2)
RECORDS = 25
"""Moments at which a live run is looked at, which costs more than its training."""
KEPT = 32
"""Ensembles that are kept at most, so that memory does not grow while the user moves sliders."""
MEASURES = {
    "loss": "loss (mean squared error)",
    "crossings_per_weight": "thresholds crossed per weight",
    "explored_volume": "explored log-volume (share)",
    "oscillating_share": "oscillating weights (share)",
}
"""What the stored history holds over the training."""
RESULTS = ("toy-full", "toy-reduced")


def toy(source: str | None = None, *, live: RegressionProblem = LIVE, seeds: Sequence[int] = LIVE_SEEDS) -> Toy:
    """Explore the surface ``data/results/<source>-surface.parquet``.

    With ``-samples.parquet`` it also shows single weights of every setting without training it.
    Default: the paper's size, otherwise the reduced one. ``live``, ``seeds``: what is trained live.
    Raise ``FileNotFoundError`` where no surface is stored.
    """
    for name in (source,) if source else RESULTS:
        for folder in (paths.results_dir(), paths.results_dir() / FIRST):
            if stored_surface.paths_of(folder, name)[0].is_file():
                return Toy(name, folder, live, tuple(seeds))
    raise FileNotFoundError(
        f"no surface {source or ' or '.join(RESULTS)} in {paths.results_dir()}: run `bash run.sh toy` (or `toy --full`)"
    )


class Toy(Explorer):
    """Made by :func:`toy`."""

    script = Path(__file__).with_name("explorer.js")

    def __init__(self, source: str, folder: Path, live: RegressionProblem, seeds: tuple[int, ...]) -> None:
        self.source, self.problem, self.live_seeds = source, live, seeds
        self.files = tuple(file for file in stored_surface.paths_of(folder, source) if file.is_file())
        stored = stored_surface.load(source, folder)
        self.stored_problem, self.runs = stored.problem, stored.ends
        self.history = stored.history.assign(setting=stored_surface.setting_of(stored.history))
        own_rule = (self.runs["method"] == "lsq") & self.runs["step_init"].isna()
        self.rule = float(self.runs.loc[own_rule, "setting"].iloc[0])
        self.seeds = sorted(int(seed) for seed in self.runs["seed"].unique())
        self.rates = sorted(float(rate) for rate in self.runs["lr"].unique())
        own = {method: self.runs.loc[self.runs["method"] == method, "setting"] for method in METHODS}
        self.settings = {method: sorted(map(float, values.unique())) for method, values in own.items()}
        self.samples, self.sampled = self._samples(stored), int(min(self.seeds))
        self._ensembles: dict[tuple[float, ...], EnsembleResult] = {}
        controls: list[Control] = [
            self._slider("lr", "learning rate η", self.rates, PUBLISHED_LR),
            self._slider("shrink_min", "AOQ: shrink αₘᵢₙ", self.settings["aoq"], PUBLISHED_SHRINK),
            self._slider("step_init", "LSQ: first step s₀", self.settings["lsq"], self.rule),
            Menu("measure", "measure", MEASURES),
            Check("follow", "run live after every move"),
        ]
        self.controls = {control.name: control for control in controls}
        super().__init__(
            f"Toy regression: {source}",
            controls,
            data={
                "source": f"{source}: {_size(self.stored_problem)}, {len(self.seeds)} seeds",
                "liveRun": self._live_run,
                "liveSource": f"live: {_size(live)}, {len(seeds)} seeds",
                "seeds": self.seeds,
                "settings": self.settings,
                "rates": self.rates,
                "progress": packed(np.sort(self.history["step"].unique()) / self.history["step"].max()),
                "courses": {method: self._courses(method) for method in METHODS},
                "stages": [ThreeStage().shrink_until, ThreeStage().dampen_from],
                "levels": (np.arange(live.grid.n_levels) + live.grid.low).tolist(),
                "colors": {method: plots.method_color(method) for method in METHODS},
                "map": [to_hex(colormaps["viridis"](place)) for place in np.linspace(0, 1, 33)],
                "levelColors": [to_hex(color) for color in plots.level_colors(live.grid.n_levels)],
                "edges": packed(EDGES),
                "samples": self._sent_samples(),
                "ensemble": self.answer_live({name: control.start for name, control in self.controls.items()}),
            },
            extra={"live": None},
        )

    def _slider(self, name: str, label: str, values: list[float], start: float) -> Slider:
        def shown(value: float) -> str:
            return f"{value:g} (rule)" if name == "step_init" and value == self.rule else f"{value:g}"

        return Slider(name, label, values, shown=shown, start=int(np.argmin(np.abs(np.log(np.array(values) / start)))))

    def _courses(self, method: str) -> dict[str, bytes]:
        """Return every measure as float32 of shape (learning rates, settings, seeds, records)."""
        table = self.history[self.history["method"] == method].sort_values(["lr", "setting", "seed", "step"])
        expected = len(self.rates) * len(self.settings[method]) * len(self.seeds) * self.history["step"].nunique()
        if len(table) != expected:
            raise ValueError(f"the history of {self.source} lacks runs of {method}: {len(table)} rows of {expected}")
        return {name: packed(table[name]) for name in MEASURES}

    def _samples(self, stored: stored_surface.Surface) -> dict[tuple[str, float, float], Sample]:
        """Return what single weights did by method, learning rate and setting; empty where nothing is kept."""
        if not stored.samples:
            return {}
        runs = stored.runs.merge(self.runs[[*stored_surface.KEYS, "setting"]])
        found = dict(zip(zip(runs["method"], runs["lr"], runs["setting"], strict=True), stored.samples, strict=True))
        for method, own in self.settings.items():
            if missing := [place for place in product([method], self.rates, own) if place not in found]:
                raise ValueError(f"the samples of {self.source} lack {len(missing)} runs of {method}")
        return found

    def _sent_samples(self) -> dict[str, Any] | None:
        """Per method, arrays of shape (learning rates, settings, ...): see :class:`aoqlab.lab.toy.samples.Sample`."""
        if not self.samples:
            return None
        steps = np.sort(self.history["step"].unique())
        sent: dict[str, Any] = {
            "progress": packed(steps / steps[-1]),
            "source": f"stored, seed {self.sampled}, {_size(self.stored_problem)}",
        }
        for method in METHODS:
            own = [self.samples[method, lr, setting] for lr in self.rates for setting in self.settings[method]]
            sent[method] = _packed_samples(self.stored_problem, own)
        return sent

    def configs(self, state: Mapping[str, Any] | None = None) -> dict[str, RunConfig]:
        """Return the training of each method in a state."""
        lr, step = self.value("lr", state), self.value("step_init", state)
        return {
            "aoq": RunConfig("aoq", lr, schedule=ThreeStage(shrink_min=self.value("shrink_min", state))),
            "lsq": RunConfig("lsq", lr, step_init=None if step == self.rule else step),
        }

    def ensemble(self, state: Mapping[str, Any] | None = None) -> EnsembleResult:
        """Train both methods of a state on the live problem, once; runs in the order of seeds, then methods."""
        key = tuple(self.value(name, state) for name in ("lr", *METHODS.values()))
        if key not in self._ensembles:
            configs = list(self.configs(state).values())
            with one_thread():
                found = run_ensemble(configs, self.live_seeds, self.problem, records=RECORDS, trajectories=FOLLOWED)
            self._ensembles[key] = found
            if len(self._ensembles) > KEPT:
                del self._ensembles[next(iter(self._ensembles))]
        return self._ensembles[key]

    def answer_live(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Return the ensemble of a state for the browser, its parts ``aoq_…`` and ``lsq_…`` by :meth:`_of_method`."""
        found = self.ensemble(state)
        steps = np.unique(found.history["step"])
        answer = {"at": self._place(state), "progress": packed(steps / steps[-1])}
        for number, method in enumerate(METHODS):
            answer |= {f"{method}_{name}": part for name, part in self._of_method(found, number).items()}
        return answer

    def _place(self, state: Mapping[str, Any]) -> list[int]:
        return [state[name] for name in ("lr", *METHODS.values())]

    def shows_live(self, state: Mapping[str, Any]) -> bool:
        """Whether single weights are from a live run: where it was asked for, or no others are stored."""
        return not self.samples or state["live"] == self._place(state)

    def _of_method(self, found: EnsembleResult, number: int) -> dict[str, Any]:
        """Return courses of every measure (seeds, records), and for the first seed what stored samples have."""
        runs = range(number, len(found.runs), len(METHODS))
        history = _per_weight(found.history)
        parts = {name: np.stack([history.loc[history["run"] == run, name] for run in runs]) for name in MEASURES}
        return {name: packed(part) for name, part in parts.items()} | _packed_samples(
            self.problem, [sample_of(found, number)]
        )

    def at(self, state: Mapping[str, Any] | None = None, *, history: bool = False) -> pd.DataFrame:
        """Return the stored rows of a state: the runs of both settings, or their history."""
        table = self.history if history else self.runs
        chosen = [
            table[(table["method"] == method) & (table["setting"] == self.value(name, state))]
            for method, name in METHODS.items()
        ]
        both = pd.concat(chosen, ignore_index=True)
        return both[both["lr"] == self.value("lr", state)].reset_index(drop=True)

    def figure(self, state: Mapping[str, Any]) -> Figure:
        live = self.ensemble(state)
        shown = self._shown_samples(state)
        rate = self.rates.index(self.value("lr", state))
        columns = {m: self.settings[m].index(self.value(name, state)) for m, name in METHODS.items()}
        whose = live.runs[["method", "seed"]].reset_index(names="run")
        lived = _per_weight(live.history).merge(whose, on="run")
        return drawn(
            self.history,
            state["measure"],
            places={method: (column, rate) for method, column in columns.items()},
            courses=[(_size(self.stored_problem), self.at(state, history=True)), (_size(self.problem), lived)],
            origins={method: (sample.figure2, sample.ends) for method, sample in shown.items()},
            origin=self._origin(state),
            edges=EDGES,
            levels=np.arange(live.grid.n_levels) + live.grid.low,
        )

    def _shown_samples(self, state: Mapping[str, Any]) -> dict[str, Sample]:
        if self.shows_live(state):
            return {method: sample_of(self.ensemble(state), number) for number, method in enumerate(METHODS)}
        lr = self.value("lr", state)
        return {method: self.samples[method, lr, self.value(name, state)] for method, name in METHODS.items()}

    def _origin(self, state: Mapping[str, Any]) -> str:
        """Return which run Figure 2 shows."""
        if self.shows_live(state):
            return self._live_run
        return str(self.data["samples"]["source"])

    @property
    def _live_run(self) -> str:
        return f"live, seed {self.live_seeds[0]}, {_size(self.problem)}"

    def record(self, state: Mapping[str, Any]) -> dict[str, Any]:
        settings = {name: self.value(name, state) for name in ("lr", *METHODS.values(), "measure")}
        settings["figure2"] = self._origin(state)
        live = {"live_problem": self.problem, "live_seeds": list(self.live_seeds)}
        return {
            "parameters": {"source": self.source, **settings, **live},
            "seeds": self.seeds,
            "data": list(self.files),
        }


def _size(problem: RegressionProblem) -> str:
    return f"{problem.n_weights:,} weights, {problem.n_samples:,} samples"


def _per_weight(history: pd.DataFrame) -> pd.DataFrame:
    """Return a live history with ``crossings_per_weight``."""
    return history.assign(crossings_per_weight=history["crossings"] / history["weights"])


def _packed_samples(problem: RegressionProblem, samples: Sequence[Sample]) -> dict[str, bytes]:
    """Return what single weights did in some runs: each part of the samples, and their thresholds."""
    return {
        "figure2": packed([sample.figure2 for sample in samples], "uint32"),
        "ends": packed([sample.ends for sample in samples], "uint32"),
        "weights": packed([sample.weights for sample in samples]),
        "codes": packed([sample.codes for sample in samples], "uint8"),
        "thresholds": packed([thresholds_of(problem, sample) for sample in samples]),
    }
