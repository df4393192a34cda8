"""Notebooks for readers without a kernel, as pages of their own and in the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .files import write_atomic

WIDGET = "application/vnd.jupyter.widget-view+json"
"""Media type of an output that only a running kernel (or a server in the network) can fill."""


def without_widgets(notebook: Any) -> Any:
    """Remove the outputs of type ``WIDGET`` and their state from a notebook, in place, and return it."""
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if "outputs" in cell:
            cell["outputs"] = [output for output in cell["outputs"] if WIDGET not in output.get("data", {})]
    return notebook


def export_html(notebook: str | Path, out: str | Path | None = None) -> Path:
    """Write a saved notebook with its outputs as one HTML file that fetches nothing and whose explorers slide.

    ``out`` defaults to the notebook's name with ``.html``. Widgets other than explorers need a kernel and are left out.
    """
    import nbformat
    from nbconvert import HTMLExporter

    source = Path(notebook)
    target = Path(out) if out is not None else source.with_suffix(".html")
    page = without_widgets(nbformat.read(source, as_version=4))
    exporter = HTMLExporter(require_js_url="", mathjax_url="", jquery_url="", mermaid_js_url="", widget_renderer_url="")
    body, _ = exporter.from_notebook_node(page)
    return write_atomic(target, body.encode())
