"""What all explorers share: controls and state, a picture drawn in the browser, questions to the kernel, export.

An explorer is a Python class and a JavaScript file in the same folder::

    class Waves(Explorer):
        script = Path(__file__).with_name("waves.js")

        def __init__(self):
            frequency = Slider("frequency", "frequency f", [1, 2, 4, 8], shown="{:g} Hz".format, start=1)
            super().__init__("Waves", [frequency, Check("dotted", "dotted")], data={"phase": 0.5})

        def figure(self, state):  # for Export: the same picture by aoqlab.lab.plots, any size
            figure = Figure(figsize=(6, 3), layout="constrained")
            ...self.value("frequency", state)...
            return figure

        def record(self, state):  # for Export: arguments of save_figure except the name
            return {"parameters": {"frequency": self.value("frequency", state)}}

        def answer_energy(self, state, power=2):  # what ui.ask("energy", {power: 2}) resolves to
            return {"energy": self.value("frequency", state) ** power}

``waves.js`` defines ``explore(ui)``, which is called once per view and returns what to call later::

    import { number } from "../base/numbers.js";

    export function explore(ui) {
      const panel = ui.panel({ title: "wave", height: 220 });
      return {
        draw(state) {              // before the next frame after every change
          const axes = panel.axes({ x: [0, 1], y: [-1, 1], xlabel: "time (s)", ylabel: "height" });
          axes.line(xs, ys, { color: ui.theme.blue });
          ui.readouts([{ label: "period", value: number(1 / ui.value("frequency")) + " s" }]);
        },
        changed(name, state) {},   // optional: the user moved that control; may change state
        async rest(state) {},      // optional: nothing moved for 150 ms; the place for ui.ask(...)
        propose(state) { return "waves"; },  // name of the exported files
      };
    }

``ui``: ``state``, ``data``, ``theme`` (colours), ``value(name)``, ``set({name: value})``, ``enable(name, yes, why)``,
``controls`` (rows by name, to show or hide), ``panel({title, height, grow})``, ``readouts([{label, value, note}])``,
``show()`` (after a change of ``state`` within ``draw``), ``say(sentence)``, ``note(sentence)``, ``ask(kind, payload)``
(a promise; rejected with a sentence), ``redraw()``. A panel has ``axes({x, y, xlabel, ylabel, ...})`` (``line``,
``stairs``, ``area``, ``dots``, ``heat``, ...; see ``plot.js``), ``canvas``, ``describe(text)`` and
``onpoint(function(x, y))``. Arrays travel as bytes (:func:`packed`); ``floats(data.name)`` reads them.

Live (anywidget) and in exported pages the same text runs: :func:`~.scripts.bundled` puts the script after all that it
imports and all of ``base/``. A ``style.css`` next to it is applied. The place of a slider is a whole number, the index
of a stop: browsers change real numbers by displaying them.
"""

from __future__ import annotations

import json
import os
import uuid
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import traitlets
from matplotlib.figure import Figure

from ...plots import use_style
from ...plots.saving import save_figure
from ...shared import paths
from ...shared.notebooks import WIDGET
from .controls import Control, Slider, portable
from .scripts import bundled

_FORMATS = ("png", "svg", "pdf", "json")


class Explorer(anywidget.AnyWidget):
    """Controls, pictures and export; see the module for how to write one.

    ``state`` maps the name of every control to its value, in Python and in the browser: it changes when the user has
    stopped moving controls, and setting it moves the controls. ``extra`` are names in the state that no control shows
    (any JSON value).
    """

    script: ClassVar[Path]
    """The JavaScript module that has ``explore``."""

    state = traitlets.Dict().tag(sync=True)
    data = traitlets.Dict().tag(sync=True)
    _controls: traitlets.List[Any] = traitlets.List().tag(sync=True)
    _title = traitlets.Unicode().tag(sync=True)
    _page = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        title: str,
        controls: Sequence[Control],
        data: Mapping[str, Any],
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self.controls = {control.name: control for control in controls}
        self.extra = dict(extra or {})
        self._displayed = False
        self._esm = bundled(self.script) + "export default { render: ({ model, el }) => live(model, el, explore) };\n"
        super().__init__(
            state={name: control.start for name, control in self.controls.items()} | self.extra,
            data=dict(data),
            _controls=[control.spec() for control in controls],
            _title=title,
            _page=uuid.uuid4().hex,
        )
        self.on_msg(self._asked)

    @abstractmethod
    def figure(self, state: Mapping[str, Any]) -> Figure:
        """Draw a state for print, by :mod:`aoqlab.lab.plots`; called with the package's style in force."""

    def record(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the sidecar of a figure holds: ``parameters``, ``seeds``, ``data`` of ``save_figure``."""
        return {"parameters": {name: self.value(name, state) for name in self.controls}}

    def static_data(self) -> dict[str, Any]:
        """Return the part of ``data`` in an exported page; less than all of it where that would be too much."""
        return dict(self.data)

    def value(self, name: str, state: Mapping[str, Any] | None = None) -> Any:
        """Return the value of a control: of a slider's stop, the key of a menu, the bool of a box."""
        control, at = self.controls[name], (self.state if state is None else state)[name]
        return control.values[at] if isinstance(control, Slider) else at

    def set(self, **values: Any) -> None:
        """Move controls from Python: ``set(bits=3)`` goes to the stop nearest to 3; ``ValueError`` for what is none."""
        unknown = [name for name in values if name not in self.controls]
        if unknown:
            raise ValueError(f"there is no control {unknown[0]!r}; there are {', '.join(self.controls)}")
        places = {name: self.controls[name].meant(value) for name, value in values.items()}
        self.state = {**self.state, **self.implied(places), **places}

    def implied(self, places: Mapping[str, Any]) -> dict[str, Any]:
        """Return where other controls go when :meth:`set` moves some to ``places``, as when the user moves them."""
        return {}

    def settled(self, state: dict[str, Any]) -> dict[str, Any]:
        """Return the state without controls that contradict each other, as the explorer's script does."""
        return state

    @traitlets.validate("state")
    def _checked_state(self, proposal: Any) -> dict[str, Any]:
        return self.checked(proposal["value"])

    def checked(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Return a whole, settled state. Raise ``ValueError`` naming a control whose value it does not have."""
        missing = [name for name in self.controls if name not in state]
        if missing:
            raise ValueError(f"the state lacks {', '.join(missing)}")
        own = {name: control.checked(state[name]) for name, control in self.controls.items()}
        return self.settled(own | {name: state.get(name, value) for name, value in self.extra.items()})

    def answer_export(
        self, state: Mapping[str, Any], name: str, replace: bool = False, readouts: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Save the picture of ``state`` as ``name``; a name that is taken is refused, with a free one, or replaced.

        ``readouts``: the numbers that the browser shows, for the record.
        """
        folder = paths.figures_dir()
        if not replace and _taken(folder, name):
            free = next(f"{name}-{n}" for n in range(2, 10_000) if not _taken(folder, f"{name}-{n}"))
            return {"taken": name, "free": free}
        record = self.record(state)
        record["parameters"]["readouts"] = list(readouts)
        with use_style():
            written = save_figure(self.figure(state), name, **record)
        return {
            "files": {form: os.path.relpath(path, paths.project_root()) for form, path in written.items()},
            **{form: path.read_bytes() for form, path in written.items()},
        }

    def answer_presence(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Answer, which says that there is a kernel."""
        return {}

    def _asked(self, _: Any, content: Any, __: Any) -> None:
        """Answer a question of the browser by the method ``answer_<kind>``; an error becomes a sentence."""
        number, kind = content.get("number"), content.get("ask")
        try:
            answer = getattr(self, f"answer_{kind}")(self.checked(content["state"]), **content.get("payload", {}))
        except Exception as error:  # a callback's error would go unseen
            self.send({"number": number, "error": str(error) or type(error).__name__})
            return
        names = [name for name, value in answer.items() if isinstance(value, bytes)]
        plain = {name: value for name, value in answer.items() if name not in names}
        self.send({"number": number, "answer": plain, "names": names}, buffers=[answer[name] for name in names])

    def _ipython_display_(self, **_: Any) -> None:
        """Two outputs: the live widget, and a page that shows itself where there is no live widget."""
        from IPython.display import publish_display_data

        view = {"model_id": self.model_id, "version_major": 2, "version_minor": 0}
        publish_display_data({WIDGET: view, "text/plain": f"{self._title} (explorer)"})
        page = {"text/html": self.static_html(), "text/plain": ""}
        publish_display_data(page, transient={"display_id": self._page})
        self._displayed = True

    def renew_page(self) -> None:
        """Put the present state and data into the pages that were displayed, which a notebook is saved with."""
        from IPython.display import publish_display_data

        if self._displayed:
            page = {"text/html": self.static_html(), "text/plain": ""}
            publish_display_data(page, transient={"display_id": self._page}, update=True)

    def static_html(self) -> str:
        """Return the explorer in its present state as HTML that fetches nothing and needs no kernel."""
        names = ("state", "_controls", "_title", "_page")
        payload = {"data": self.static_data()} | {name: getattr(self, name) for name in names}
        # "<" would end the script element where data held "</script>"
        inline = json.dumps(payload, allow_nan=False, default=portable).replace("<", "\\u003c")
        return (
            f'<div data-aoq-page="{self._page}"><p>{escape(self._title)}: run the cell again (or trust the notebook) '
            "to see this explorer.</p></div>\n"
            f'<script type="module">\n{bundled(self.script)}asleep({inline}, explore);\n</script>'
        )


def _taken(folder: Path, name: str) -> bool:
    return any((folder / f"{name}.{form}").exists() for form in _FORMATS)
