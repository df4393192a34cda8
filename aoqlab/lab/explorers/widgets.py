"""What notebooks have besides explorers: a picture redrawn in place while something runs, and an export button.

In a notebook::

    picture = FigureImage(draw, size=(5, 4))  # draw(figure, epoch) -> caption
    display(VBox([picture.widget, export_button(picture.figure, "my_figure", seeds=[0])]))
    for epoch in range(10):
        picture.redraw(epoch)
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from html import escape
from typing import Any

import ipywidgets
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..plots.saving import save_figure


class FigureImage:
    """One matplotlib figure, drawn off screen and shown as a picture that is replaced in place.

    ``draw(figure, *arguments)`` draws on the cleared ``figure`` and may return a caption, which is text under the
    picture (for screen readers, and for numbers a picture cannot give). Axes stay where ``draw`` puts them: a
    layout engine would take a third of the time.

    An error in ``draw`` is shown under the last good picture and raised again: Jupyter hides what a menu's callback
    raises. ``widget`` is what to display; ``figure`` what to export. ``size`` is in inches; the picture is shown
    ``size * 96`` pixels wide at most and holds ``dpi / 96`` times as many.
    """

    def __init__(
        self,
        draw: Callable[..., str | None],
        *,
        size: tuple[float | int, float | int] = (6, 4.5),
        dpi: int = 144,
    ) -> None:
        self.draw = draw
        # Without pyplot: no second copy of the figure appears under the cell.
        self.figure = Figure(figsize=size, dpi=dpi)
        self.figure.set_layout_engine("none")
        self._canvas = FigureCanvasAgg(self.figure)
        # No tooltip: with one, the browser refuses to show an Image (ipywidgets 8.1).
        self.image = ipywidgets.Image(format="png")
        self.image.layout = ipywidgets.Layout(width=f"{96 * size[0]:.0f}px", max_width="100%", object_fit="contain")
        self.caption = ipywidgets.HTML()
        self.widget = ipywidgets.VBox([self.image, self.caption])

    def redraw(self, *arguments: Any) -> None:
        """Draw again with ``arguments``; picture and caption change together."""
        try:
            self.figure.clear()
            caption = self.draw(self.figure, *arguments)
            buffer = io.BytesIO()
            self._canvas.print_png(buffer)
        except Exception as error:
            self.caption.value = _message("not drawn", error)
            raise
        self.image.value = buffer.getvalue()
        self.caption.value = escape(caption or "", quote=False)


def export_button(
    figure: Figure | Callable[[], Figure], name: str | Callable[[], str], *, label: str = "Export", **sidecar: Any
) -> ipywidgets.VBox:
    """Return a button that saves a figure by :func:`aoqlab.lab.plots.save_figure` and says where, or why not.

    ``sidecar`` goes to ``save_figure`` (parameters, seeds, data, folder, ...). Figure, name and every part of the
    sidecar may be a function without arguments instead, called at the click: for what is not known before.
    """
    button = ipywidgets.Button(
        description=label,
        icon="download",
        tooltip="Save as PNG, SVG and PDF with a record",
        layout=ipywidgets.Layout(width="auto", align_self="flex-start"),  # of its own accord it cuts long labels
    )
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
