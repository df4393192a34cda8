"""The run explorer: slide through the epochs of a training, or of two side by side, layer by layer.

In a notebook: ``runs()``, ``runs("name of a run")``, ``runs(["one", "another"])``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from ...plots import method_color
from ..base import Explorer, Menu, Slider
from .courses import OSCILLATING_ABOVE, WHOLE, Course, Source, course_of, sources
from .figure import drawn

NONE = "nothing"
OTHER = "#8C8C8C"
"""The second of two runs with the same method, whose colour the first one has."""
SORT = "-oscillating 0"
"""How the table begins: "-" or "+", what by, and of which run; as the browser writes it."""


def runs(names: str | Iterable[str] | None = None, samples: bool = True) -> Runs:
    """Return an explorer of trainings over their epochs: one run, or two on shared axes.

    ``names``: runs in ``data/runs/`` or, with ``samples``, in ``data/recorded/``; the first two are shown, all of them
    stay alive in exported HTML, others are chosen from while a kernel runs. Default: LSQ and AOQ with the same seed
    where there are both. Raises ``FileNotFoundError`` or ``ValueError`` where there is no such run or its codes were
    not followed, as in full precision.
    """
    offered, without = sources(samples)
    if not offered:
        raise FileNotFoundError("there are no quantized runs to show yet; train one: `bash run.sh resnet20 2 1`")
    wanted = _pair(offered) if names is None else [names] if isinstance(names, str) else list(dict.fromkeys(names))
    if not wanted:
        raise ValueError("names is empty: name one run or more, or leave it out")
    for name in wanted:
        if name in without:
            raise ValueError(
                f"the run {name!r} is in full precision, so there are no codes to follow; choose a quantized one"
            )
        if name not in offered:
            raise FileNotFoundError(f"there is no run {name!r}; there are: {', '.join(offered)}")
    return Runs(offered, wanted)


def _pair(offered: Mapping[str, Source]) -> list[str]:
    """LSQ and AOQ with the same data, bits and seed; otherwise the newest two runs."""
    alike: dict[tuple[str, int, int], dict[str, str]] = {}
    for key, run in offered.items():
        alike.setdefault((run.data, run.bits, run.seed), {}).setdefault(run.method, key)
    for found in alike.values():
        if {"lsq", "aoq"} <= found.keys():
            return [found["lsq"], found["aoq"]]
    return list(offered)[-2:]


class Runs(Explorer):
    """Made by :func:`runs`."""

    script = "explorer.js"

    def __init__(self, offered: Mapping[str, Source], names: list[str]) -> None:
        self.offered = dict(offered)
        self._courses: dict[str, Course] = {}
        texts = self._texts()
        loaded = [self.course(name) for name in names]
        first = loaded[0]
        most = 1 + int(np.argmax(first.oscillating[1:].mean(axis=1)))
        epochs = max(*(run.epochs for run in offered.values()), *(course.epochs for course in loaded), 1)
        super().__init__(
            "Runs",
            [
                Menu("first", "run", texts, names[0]),
                Menu("second", "beside it", {NONE: NONE, **texts}, names[1] if len(names) > 1 else NONE),
                self._layer_menu(first.layers[most]),
                Slider("epoch", "epoch", range(epochs + 1), index=max(c.epochs for c in loaded[:2]), play=120),
            ],
            data={
                "runs": {name: course.message() for name, course in zip(names, loaded, strict=True)},
                "offered": {
                    key: {"title": texts[key], "color": method_color(run.method), "recorded": run.sample}
                    for key, run in offered.items()
                },
                "whole": WHOLE,
                "none": NONE,
                "other": OTHER,
                "above": OSCILLATING_ABOVE,
                "heat": [to_hex(colormaps["cividis_r"](place)) for place in np.linspace(0, 1, 17)],
            },
            extra={"sort": SORT},
        )

    def course(self, name: str) -> Course:
        """A run's tables, read once; ``ValueError`` where its codes were not followed."""
        if name not in self._courses:
            self._courses[name] = course_of(self.offered[name])
        return self._courses[name]

    def shown(self, state: Mapping[str, Any] | None = None) -> dict[str, Course]:
        """The one or two runs of a state by what they are called."""
        state = self.state if state is None else state
        keys = dict.fromkeys(key for key in (state["first"], state["second"]) if key != NONE)
        return {self.title(key): self.course(key) for key in keys}

    def title(self, key: str) -> str:
        return str(self.data["offered"][key]["title"])

    def answer_run(self, state: Mapping[str, Any], name: str) -> dict[str, Any]:
        """Another run for the browser; its layers can then be chosen."""
        if name not in self.offered:
            raise ValueError(f"there is no run {name!r}")
        message = self.course(name).message()
        self.controls["layer"] = self._layer_menu(state["layer"])
        self._controls = [control.spec() for control in self.controls.values()]
        return message

    def table(self, state: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """All layers of the shown runs at the state's epoch, a row per run and layer: what the table shows.

        Columns ``run``, ``layer``, ``weights``, ``epoch`` (a shorter run stands at its last), ``step`` of the record,
        ``oscillating_share``, ``crossings_per_step`` (seen per weight and optimizer step, since the record of the
        epoch before),
        ``crossings_per_weight`` (so far), ``interval``.
        """
        state = self.state if state is None else state
        frames = []
        for title, course in self.shown(state).items():
            at = min(self.value("epoch", state), course.epochs)
            columns = {
                "run": title,
                "layer": course.layers,
                "weights": course.weights.astype(int),
                "epoch": at,
                "step": course.steps[at],
                "oscillating_share": course.oscillating[:, at],
                "crossings_per_step": course.rate[:, at],
                "crossings_per_weight": course.crossed[:, at],
                "interval": course.intervals[:, at],
            }
            frames.append(pd.DataFrame(columns))
        return pd.concat(frames, ignore_index=True)

    def figure(self, state: Mapping[str, Any]) -> Figure:
        layer, epoch = state["layer"], self.value("epoch", state)
        here = {title: course for title, course in self.shown(state).items() if layer in course.layers}
        if not here:
            raise ValueError(f"neither of the runs has the layer {layer!r}")
        return drawn(here, self._colors(state, here), layer, epoch)

    def record(self, state: Mapping[str, Any]) -> dict[str, Any]:
        chosen = [self.offered[key] for key in dict.fromkeys((state["first"], state["second"])) if key != NONE]
        whole = {"runs": [run.run for run in chosen], "layer": state["layer"], "epoch": self.value("epoch", state)}
        here = self.table(state)
        return {
            "parameters": {**whole, "table": here[here["layer"] == state["layer"]].astype(object).to_dict("records")},
            "seeds": [run.seed for run in chosen],
            "data": [file for run in chosen for file in run.files],
        }

    def _texts(self) -> dict[str, str]:
        """Own runs by name, samples by what they are; with their name where that is not enough."""
        titles = [run.title for run in self.offered.values() if run.sample]
        return {
            key: run.title if run.sample and titles.count(run.title) == 1 else f"{key}: {run.title}"
            for key, run in self.offered.items()
        }

    def _layer_menu(self, start: str) -> Menu:
        layers = dict.fromkeys(layer for course in self._courses.values() for layer in course.layers)
        return Menu("layer", "layer", {layer: layer for layer in layers}, start)

    def _colors(self, state: Mapping[str, Any], here: Mapping[str, Course]) -> list[str]:
        keys = [
            key for key in dict.fromkeys((state["first"], state["second"])) if key != NONE and self.title(key) in here
        ]
        colors = [method_color(self.offered[key].method) for key in keys]
        return [color if color not in colors[:i] else OTHER for i, color in enumerate(colors)]
