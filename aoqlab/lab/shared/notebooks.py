"""Notebooks for readers without a kernel, as pages of their own and in the report."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .files import write_atomic

WIDGET = "application/vnd.jupyter.widget-view+json"
"""Media type of an output that only a running kernel (or a server in the network) can fill."""

_SCRIPT = re.compile(r"<script\b[^>]*>(.*?)</script>", re.DOTALL)


def explorers_scripts(notebook: Any) -> list[str]:
    """Return the scripts of the explorers that the cells of a notebook displayed."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    pages = ["".join(output.get("data", {}).get("text/html", "")) for output in outputs]
    return [script for page in pages if page.startswith("<div data-aoq-page=") for script in _SCRIPT.findall(page)]


def security_policy(scripts: Iterable[str]) -> str:
    """Return the policy for the head of a page that runs these inline scripts, no others, and fetches nothing."""
    digests = {base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts}
    allowed = " ".join(f"'sha256-{digest}'" for digest in sorted(digests)) or "'none'"
    rules = f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; font-src data:"
    return f"<meta http-equiv=\"Content-Security-Policy\" content=\"{rules}; base-uri 'none'; form-action 'none'\">"


def without_widgets(notebook: Any) -> Any:
    """Remove the outputs of type ``WIDGET`` and their state from a notebook, in place, and return it."""
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if "outputs" in cell:
            cell["outputs"] = [output for output in cell["outputs"] if WIDGET not in output.get("data", {})]
    return notebook


def export_html(notebook: str | Path, out: str | Path | None = None) -> Path:
    """Write a saved notebook with its outputs as one HTML file that fetches nothing and whose explorers slide.

    Only the explorers' scripts run in it. ``out`` defaults to the notebook's name with ``.html``. Widgets
    other than explorers need a kernel and are left out.
    """
    import nbformat
    from nbconvert import HTMLExporter

    source = Path(notebook)
    target = Path(out) if out is not None else source.with_suffix(".html")
    page = without_widgets(nbformat.read(source, as_version=4))
    exporter = HTMLExporter(require_js_url="", mathjax_url="", jquery_url="", mermaid_js_url="", widget_renderer_url="")
    body, _ = exporter.from_notebook_node(page)
    empty, _ = exporter.from_notebook_node(nbformat.v4.new_notebook())  # what nbconvert itself puts into every page
    policy = security_policy([*explorers_scripts(page), *_SCRIPT.findall(empty)])
    return write_atomic(target, body.replace("<head>", f"<head>{policy}", 1).encode())
