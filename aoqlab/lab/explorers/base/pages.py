"""Explorers in files that need no kernel: their scripts and data in one page, notebooks as HTML."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...shared.files import write_atomic
from ...shared.notebooks import WIDGET as WIDGET
from ...shared.notebooks import without_widgets as without_widgets

HERE = Path(__file__).parent
SHARED = ("words.js", "plot.js", "mount.js", "hosts.js")


def export_html(notebook: str | Path, out: str | Path | None = None) -> Path:
    """A notebook, as it was saved with its outputs, as one HTML file that fetches nothing and whose explorers slide.

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


def source_of(scripts: Sequence[Path]) -> str:
    """All that explorers share and the files of one explorer, one after the other: a module without its end."""
    style = json.dumps((HERE / "style.css").read_text(encoding="utf-8"))
    parts = [path.read_text(encoding="utf-8") for path in (*(HERE / name for name in SHARED), *scripts)]
    return f"const STYLE = {style};\n" + "\n".join(parts)


def portable(value: Any) -> Any:
    """Bytes as base64, at any depth."""
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, Mapping):
        return {key: portable(item) for key, item in value.items()}
    return [portable(item) for item in value] if isinstance(value, (list, tuple)) else value
