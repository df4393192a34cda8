"""Explorers in files that need no kernel: their scripts and data in one page, notebooks as HTML."""

from __future__ import annotations

import base64
from pathlib import Path

from ...shared.files import write_atomic
from ...shared.notebooks import WIDGET as WIDGET
from ...shared.notebooks import without_widgets as without_widgets


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


def portable(value: bytes) -> dict[str, str]:
    """Return bytes as base64, for JSON that the browser reads."""
    return {"base64": base64.b64encode(value).decode()}
