"""A button for notebooks that saves a figure with its record."""

from __future__ import annotations

import os
from collections.abc import Callable
from html import escape
from typing import Any

import ipywidgets
from matplotlib.figure import Figure

from ..plots.saving import save_figure


def export_button(
    figure: Figure | Callable[[], Figure], name: str | Callable[[], str], *, label: str = "Export", **sidecar: Any
) -> ipywidgets.VBox:
    """Return a button that saves a figure with :func:`aoqlab.lab.plots.save_figure` and tells where, or why not.

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
