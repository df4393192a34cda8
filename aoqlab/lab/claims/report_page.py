"""The notebooks about the claims, run on stored results, as one page of HTML that needs nothing else."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import Any

from ..shared import paths
from ..shared.files import write_atomic
from ..shared.notebooks import explorers_scripts, security_policy, without_widgets

NOTEBOOKS = ("00_overview", "05_exploration", "06_stages", "07_decoupling", "08_accuracy")
# Only the body of nbconvert's page: its head fetches scripts from the network. Code is folded.
_TEMPLATE = """{%- extends 'basic/index.html.j2' -%}
{%- block input_group -%}<details class="code"><summary>code</summary>{{ super() }}</details>{%- endblock -%}
"""
_SCRIPT = re.compile(r"(<script\b.*?</script>)", re.DOTALL)
# Pictures are drawn for a light page, so explorers stay light too: the names are those by which they follow a theme.
_STYLE = """
:root { color-scheme: light; --jp-ui-font-color1: #1a1a1a; --jp-ui-font-color2: #555; --jp-layout-color0: #fff;
  --jp-layout-color2: #eee; --jp-border-color1: #bbb; --jp-brand-color1: #1976d2; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; max-width: 1040px; margin: 0 auto; padding: 1rem 1.5rem; }
h1 { font-size: 1.6rem; line-height: 1.25; } h2 { font-size: 1.25rem; margin-top: 2rem; }
img { max-width: 100%; height: auto; display: block; }
section { border-top: 3px solid #1a1a1a; margin-top: 3rem; }
nav ol { padding-left: 1.4rem; }
code { font-size: .92em; background: #f3f1ea; padding: 0 .2em; }
pre { overflow-x: auto; font-size: .82rem; background: #f7f7f7; padding: .6rem; } pre code { background: none; }
details.code { margin: .4rem 0; color: #6b6b6b; font-size: .8rem; }
.output_wrapper, .rendered_html { overflow-x: auto; }
.prompt { display: none; }
table:not(.aoq *) { border-collapse: collapse; font-size: .82rem; }
:is(th, td):not(.aoq *) { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid #ddd; }
td:is(:nth-child(2), :nth-child(5)):not(.aoq *) { white-space: nowrap; }
"""


def html(results_folder: str | Path | None = None, out: str | Path | None = None) -> Path:
    """Run the notebooks on the results in a folder (``data/results/``), write them as one page and return its path.

    ``out`` defaults to ``report.html`` in that folder. Pictures are embedded and nothing is fetched, so the page can be
    read without a network and sent as one file. Explorers carry their data and still slide; other widgets need a
    kernel and are left out. Raises ``RuntimeError`` for an error in a notebook, ``FileNotFoundError`` where one is
    missing.
    """
    folder = Path(results_folder) if results_folder is not None else paths.results_dir()
    target = Path(out) if out is not None else folder / "report.html"
    notebooks = {name: _executed(paths.notebooks_dir() / f"{name}.ipynb", folder) for name in NOTEBOOKS}
    policy = security_policy(script for notebook in notebooks.values() for script in explorers_scripts(notebook))
    pages = {name: _body(notebook, name) for name, notebook in notebooks.items()}
    titles = {name: re.findall(r"<h1[^>]*>(.*?)</h1>", page, re.S)[0] for name, page in pages.items()}
    contents = "".join(f'<li><a href="#{name}">{title}</a></li>' for name, title in titles.items())
    sections = "".join(f'<section id="{name}">{page}</section>' for name, page in pages.items())
    page = (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">{policy}'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>aoqlab: what holds</title><style>{_STYLE}</style></head>"
        f'<body><nav aria-label="contents"><ol>{contents}</ol></nav><main>{sections}</main></body></html>\n'
    )
    return write_atomic(target, page.encode())


def _executed(path: Path, results: Path) -> Any:
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    notebook = nbformat.read(path, as_version=4)
    switch = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ()))
    switch.source += f"\nFOLDER = {str(results.resolve())!r}"
    resources = {"metadata": {"path": str(path.parent)}}
    quiet = ["--IPKernelApp.log_level=ERROR"]  # or every kernel warns in the terminal that its sockets are plain TCP
    client = NotebookClient(notebook, timeout=600, kernel_name="python3", resources=resources, extra_arguments=quiet)
    try:
        client.execute()
    except CellExecutionError as error:
        raise RuntimeError(f"{path.name} could not be run on {results}: {error.ename}: {error.evalue}") from error
    return notebook


def _body(notebook: Any, name: str) -> str:
    from nbconvert import HTMLExporter

    for cell in without_widgets(notebook).cells:
        # What only a terminal should show.
        cell["outputs"] = [output for output in cell.get("outputs", ()) if output.get("name") != "stderr"]
    exporter = HTMLExporter(raw_template=_TEMPLATE, exclude_input_prompt=True, exclude_output_prompt=True)
    exporter.exclude_anchor_links = True
    body, _ = exporter.from_notebook_node(notebook)
    # Explorers bring scripts of their own, which are not markup.
    return "".join(part if part.startswith("<script") else _within_page(part, name) for part in _SCRIPT.split(body))


def _within_page(markup: str, name: str) -> str:
    """Headings of two notebooks may be the same words, and links between notebooks are links within this page."""
    markup = re.sub(r'(<[a-z][^<>]*\sid=")', rf"\g<1>{escape(name)}--", markup)
    link = r'href="(\d\d_\w+)\.ipynb"'
    return re.sub(link, lambda found: f'href="#{found[1] if found[1] in NOTEBOOKS else NOTEBOOKS[0]}"', markup)
