"""What the notebooks are operated with: a picture redrawn in place, a slider over a list of values, an export button.

A slider that turns a page of results::

    picture = FigureImage(draw, size=(5, 4))  # draw(figure, shrink_min) -> caption
    slider = grid_slider([0.1, 0.2, 0.3], label="smallest shrink factor", unit="of the interval")
    slider.observe(picture.redraw)
    picture.redraw(slider.value)
    display(VBox([slider.widget, picture.widget, export_button(picture.figure, "my_figure", seeds=[0])]))
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Literal

import ipywidgets
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .figures import save_figure


class FigureImage:
    """One matplotlib figure, drawn off screen and shown as a picture that is replaced in place.

    ``draw(figure, *arguments)`` draws on ``figure`` and may return a caption, which stands under the picture as text
    (for screen readers, and for numbers a picture cannot give). Before each call the figure is cleared; with
    ``clear=False`` it is left as it was, so that ``draw`` can move the artists it made at first, which is faster.

    An error in ``draw`` is shown under the last good picture and raised again: Jupyter hides what a slider's callback
    raises. ``widget`` is what to display; ``figure`` what to export. ``size`` is in inches; the picture is shown
    ``size * 96`` pixels wide at most and holds ``dpi / 96`` times as many. With ``layout="none"`` the axes stay where
    ``draw`` puts them, which saves a third of the time.
    """

    def __init__(
        self,
        draw: Callable[..., str | None],
        *,
        size: tuple[float | int, float | int] = (6, 4.5),
        dpi: int = 144,
        clear: bool = True,
        layout: Literal["constrained", "none"] = "constrained",
    ) -> None:
        self.draw, self.clear = draw, clear
        # Without pyplot: no second copy of the figure appears under the cell.
        self.figure = Figure(figsize=size, dpi=dpi)
        self.figure.set_layout_engine(layout)
        self._canvas = FigureCanvasAgg(self.figure)
        # No tooltip: with one, the browser refuses to show an Image (ipywidgets 8.1).
        self.image = ipywidgets.Image(format="png")
        self.image.layout = ipywidgets.Layout(width=f"{96 * size[0]:.0f}px", max_width="100%", object_fit="contain")
        self.caption = ipywidgets.HTML()
        self.widget = ipywidgets.VBox([self.image, self.caption])

    def redraw(self, *arguments: Any) -> None:
        """Draw anew with ``arguments``; picture and caption change together."""
        try:
            if self.clear:
                self.figure.clear()
            caption = self.draw(self.figure, *arguments)
            buffer = io.BytesIO()
            self._canvas.print_png(buffer)
        except Exception as error:
            self.caption.value = _message("not drawn", error)
            raise
        self.image.value = buffer.getvalue()
        self.caption.value = escape(caption or "", quote=False)


@dataclass(frozen=True)
class GridSlider:
    """A slider over given values; made by :func:`grid_slider`. Display ``widget``, read ``value``."""

    values: tuple[Any, ...]
    slider: ipywidgets.IntSlider
    readout: ipywidgets.Label
    widget: ipywidgets.HBox

    @property
    def value(self) -> Any:
        """The value chosen, exactly as it was given."""
        return self.values[self.slider.value]

    def observe(self, function: Callable[[Any], object]) -> None:
        """Call ``function(value)`` after every change."""
        self.slider.observe(lambda _: function(self.value), names="value")


def grid_slider(
    values: Sequence[Any],
    *,
    label: str,
    unit: str = "",
    show: Callable[[Any], str] = "{:.3g}".format,
    index: int = 0,
) -> GridSlider:
    """A slider whose stops are ``values`` (any order, any type), beginning at ``values[index]``.

    What moves is the whole number that counts the stops: a browser rounds the value of a slider over real numbers, and
    changes it by merely showing it. ``show(value)`` and ``unit`` make the text beside the slider.
    """
    stops = tuple(values)
    if not stops or not 0 <= index < len(stops):
        raise ValueError(f"grid_slider needs values and an index among them, got {len(stops)} and {index}")
    slider = ipywidgets.IntSlider(
        value=index,
        max=len(stops) - 1,
        readout=False,
        description=label,
        style={"description_width": "initial"},
        layout=ipywidgets.Layout(width="30em"),
    )
    readout = ipywidgets.Label()

    def update(_: Any = None) -> None:
        readout.value = f"{show(stops[slider.value])} {unit}".strip()

    slider.observe(update, names="value")
    update()
    return GridSlider(stops, slider, readout, ipywidgets.HBox([slider, readout]))


def export_button(
    figure: Figure | Callable[[], Figure], name: str | Callable[[], str], *, label: str = "Export", **sidecar: Any
) -> ipywidgets.VBox:
    """A button that saves a figure with :func:`aoqlab.save_figure` and tells where, or in one line why not.

    ``sidecar`` goes to ``save_figure`` (parameters, seeds, data, folder, ...). Figure, name and every part of the
    sidecar may be a function without arguments instead, called at the click: for what depends on a slider.
    """
    button = ipywidgets.Button(description=label, icon="download", tooltip="Save as PNG, SVG and PDF with a record")
    status = ipywidgets.HTML()

    def export(_: ipywidgets.Button) -> None:
        button.disabled, status.value = True, "saving …"
        try:
            now: dict[str, Any] = {key: value() if callable(value) else value for key, value in sidecar.items()}
            paths = save_figure(figure() if callable(figure) else figure, name() if callable(name) else name, **now)
            status.value = "saved: " + ", ".join(
                f"<code>{escape(os.path.relpath(path))}</code>" for path in paths.values()
            )
        except Exception as error:  # a callback's error would go unseen
            status.value = _message("not saved", error)
        finally:
            button.disabled = False

    button.on_click(export)
    return ipywidgets.VBox([button, status])


def _message(what: str, error: Exception) -> str:
    return f'<span role="alert"><b>{what}:</b> {escape(str(error) or type(error).__name__, quote=False)}</span>'
