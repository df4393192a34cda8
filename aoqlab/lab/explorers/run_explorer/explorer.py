"""The run explorer: slide through the epochs of a training, or of two side by side, layer by layer.

In a notebook: ``runs()``, ``runs("name of a run")``, ``runs(["one", "another"])``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from ...plots import method_color
from ..base import Control, Explorer, Menu, Slider
from .courses import OSCILLATING_ABOVE, WHOLE, Course, course_of
from .figure import drawn
from .sources import Source, brief_titles, sources

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
        own = run.settings
        alike.setdefault((own["data"], own["bits"], own["seed"]), {}).setdefault(own["method"], key)
    for found in alike.values():
        if {"lsq", "aoq"} <= found.keys():
            return [found["lsq"], found["aoq"]]
    return list(offered)[-2:]


class Runs(Explorer):
    """Explore one training or two over their epochs; made by :func:`runs`.

    ``form``: controls of a subclass, shown first. ``epochs``: the longest run to come.
    """

    script = Path(__file__).with_name("explorer.js")

    def __init__(
        self, offered: Mapping[str, Source], names: Sequence[str], form: Sequence[Control] = (), epochs: int = 1
    ) -> None:
        self.offered = dict(offered)
        loaded = {name: course_of(self.offered[name]) for name in names}
        self._courses: dict[str, Course] = loaded
        epochs = max(
            [epochs, *(run.settings["epochs"] for run in offered.values()), *(run.epochs for run in loaded.values())]
        )
        first, second, *_ = [*names, NONE, NONE]
        most = WHOLE
        if names:
            most = loaded[first].layers[1 + int(np.argmax(loaded[first].oscillating[1:].mean(axis=1)))]
        last = max((course.epochs for course in list(loaded.values())[:2]), default=0)
        epoch = Slider("epoch", "epoch", range(epochs + 1), start=last, play=120)
        super().__init__(
            "Runs",
            [*form, *self._menus(first, second, most), epoch],
            data={
                "runs": {name: course.message() for name, course in loaded.items()},
                "offered": self._described(),
                "whole": WHOLE,
                "none": NONE,
                "other": OTHER,
                "above": OSCILLATING_ABOVE,
                "heat": [to_hex(colormaps["Blues"](place)) for place in np.linspace(0.1, 1, 17)],
            },
            extra={"sort": SORT},
        )

    def offer(self, key: str, source: Source, **moved: Any) -> None:
        """Take up a run, or what has come of it since, and draw it; ``moved``: controls, as in :meth:`set`."""
        self.offered[key], self._courses[key] = source, course_of(source)
        seen = {key, self.state["first"], self.state["second"]}  # all other runs come when they are chosen
        kept = {name: message for name, message in self.data["runs"].items() if name in seen}
        with self.hold_sync():
            runs = {**kept, key: self._courses[key].message()}
            self.data = {**self.data, "runs": runs, "offered": self._described()}
            self._renew_menus()
            self.set(**moved)

    def course(self, name: str) -> Course:
        """Return a run's course, read once; ``ValueError`` where its codes were not followed."""
        if name not in self._courses:
            self._courses[name] = course_of(self.offered[name])
        return self._courses[name]

    def answer_run(self, state: Mapping[str, Any], name: str) -> dict[str, Any]:
        """Return another run for the browser; its layers can then be chosen."""
        if name not in self.offered:
            raise ValueError(f"there is no run {name!r}")
        message = self.course(name).message()
        self._renew_menus()
        return message

    def figure(self, state: Mapping[str, Any]) -> Figure:
        layer = state["layer"]
        keys = [key for key in _keys(state) if layer in self.course(key).layers]
        if not keys:
            raise ValueError(f"neither of the runs has the layer {layer!r}")
        titles = brief_titles([self.offered[key] for key in keys])
        colors = [method_color(self.offered[key].settings["method"]) for key in keys]
        colors = [color if color not in colors[:i] else OTHER for i, color in enumerate(colors)]
        here = {title: self.course(key) for title, key in zip(titles, keys, strict=True)}
        return drawn(
            here, colors, layer, self.value("epoch", state), " | ".join(self.offered[key].title for key in keys)
        )

    def record(self, state: Mapping[str, Any]) -> dict[str, Any]:
        chosen = [self.offered[key] for key in _keys(state)]
        return {
            "parameters": {
                "runs": [run.run for run in chosen],
                "layer": state["layer"],
                "epoch": self.value("epoch", state),
            },
            "seeds": [run.settings["seed"] for run in chosen],
            "data": [file for run in chosen for file in run.files],
        }

    def _described(self) -> dict[str, dict[str, Any]]:
        """Return name, method and colour of every run: samples by what they are, if that is unique."""
        titles = [run.title for run in self.offered.values() if run.sample]
        return {
            key: {
                "title": run.title if run.sample and titles.count(run.title) == 1 else f"{key}: {run.title}",
                "label": run.label,
                "parts": run.title.split(", "),
                "color": method_color(run.settings["method"]),
            }
            for key, run in self.offered.items()
        }

    def _menus(self, first: str, second: str, layer: str) -> list[Menu]:
        """Return the menus of runs, and of layers of all runs that were read."""
        texts = {key: run["title"] for key, run in self._described().items()}
        layers = dict.fromkeys([WHOLE, *(layer for course in self._courses.values() for layer in course.layers)])
        return [
            Menu("first", "run", texts if first != NONE else {NONE: NONE, **texts}, first),
            Menu("second", "compare with", {NONE: NONE, **texts}, second),
            Menu("layer", "layer", {name: name for name in layers}, layer),
        ]

    def _renew_menus(self) -> None:
        for menu in self._menus(self.state["first"], self.state["second"], self.state["layer"]):
            self.controls[menu.name] = menu
        self._controls = [control.spec() for control in self.controls.values()]


def _keys(state: Mapping[str, Any]) -> list[str]:
    """Return the runs of a state, once each."""
    return [key for key in dict.fromkeys((state["first"], state["second"])) if key != NONE]
