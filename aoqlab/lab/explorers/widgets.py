"""A button for notebooks that saves a figure with its record."""

from __future__ import annotations

import os
from html import escape
from typing import Any

import ipywidgets
from matplotlib.figure import Figure

from ..plots.saving import save_figure


def export_button(figure: Figure, name: str, *, label: str = "Export", **sidecar: Any) -> ipywidgets.VBox:
    """Return a button that saves a figure with :func:`aoqlab.lab.plots.save_figure` and tells where, or why not.

    ``sidecar`` goes to ``save_figure`` (parameters, seeds, data, folder, ...).
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
            files = [escape(os.path.relpath(path)) for path in save_figure(figure, name, **sidecar).values()]
            status.value = "saved: " + ", ".join(f"<code>{file}</code>" for file in files)
        except Exception as error:  # a callback's error would go unseen
            why = escape(str(error) or type(error).__name__, quote=False)
            status.value = f'<span role="alert"><b>not saved:</b> {why}</span>'
        finally:
            button.disabled = False

    button.on_click(export)
    return ipywidgets.VBox([button, status])
