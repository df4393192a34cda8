"""Notebooks for readers without a kernel; used by exported pages and by the report."""

from __future__ import annotations

from typing import Any

WIDGET = "application/vnd.jupyter.widget-view+json"
"""Media type of an output that only a running kernel (or a server in the network) can fill."""


def without_widgets(notebook: Any) -> Any:
    """Remove the outputs of type ``WIDGET`` and their state from a notebook, in place, and return it."""
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if "outputs" in cell:
            cell["outputs"] = [output for output in cell["outputs"] if WIDGET not in output.get("data", {})]
    return notebook
