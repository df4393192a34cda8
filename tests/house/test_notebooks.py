"""Every notebook asks, runs from top to bottom without an error, answers with numbers, and is committed clean."""

import json
import re
import shutil
from pathlib import Path

import nbformat
import pytest

from aoqlab.lab.claims import report_page

FOLDER = Path(__file__).parents[2] / "notebooks"
DATA = FOLDER.parent / "data"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
# 05 and 08 are about statistics over many runs.
EXPLORED = {path.stem for path in NOTEBOOKS} - {"05_exploration", "08_accuracy"}
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project of its own with the committed data: figures and results of this checkout stay unchanged."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "data" / "results").mkdir(parents=True)
    for file in [
        *DATA.glob("*.safetensors"),
        *DATA.glob("results/toy-full*"),
        *DATA.glob("results/claims*"),
        *DATA.glob("recorded/*/*"),
    ]:
        copy = tmp_path / file.relative_to(DATA.parent)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)
    monkeypatch.setenv("AOQLAB_ROOT", str(tmp_path))
    monkeypatch.setenv("AOQLAB_QUICK", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    return tmp_path


def execute(path, project):
    """The notebook after all of its cells have run in a fresh kernel of this interpreter; an error in one is raised."""
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(project / "notebooks")}}
    NotebookClient(notebook, timeout=240, kernel_name="python3", resources=resources).execute()
    return notebook


def outputs(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def test_there_are_notebooks():
    assert [path.name[:2] for path in NOTEBOOKS] == sorted({path.name[:2] for path in NOTEBOOKS})
    assert len(NOTEBOOKS) >= 3


@each
def test_it_runs_and_ends_with_a_computed_answer(path, project):
    notebook = execute(path, project)
    assert not [o for o in outputs(notebook) if o.output_type == "error"]
    assert not [o.text for o in outputs(notebook) if o.output_type == "stream" and o.name == "stderr"]

    last = notebook.cells[-1]
    assert last.cell_type == "code", "the last cell computes the answer"
    answer = "".join(o.data.get("text/markdown", "") for o in last.outputs if "data" in o)
    assert re.search(r"\d", answer), f"the last cell shows no answer with numbers: {answer!r}"
    assert "nan" not in answer.lower().split()

    widgets = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"].values()
    buttons = [w["state"]["description"] for w in widgets if w["model_name"] == "ButtonModel"]
    assert any(label.startswith("Export") for label in buttons)
    pages = [o for o in outputs(notebook) if "data-aoq-page=" in o.get("data", {}).get("text/html", "")]
    assert len(pages) == (path.stem in EXPLORED)
    assert any("image/png" in o.get("data", {}) for o in outputs(notebook)), "no figure that stands still"
    assert not list(project.glob("figures/*")), "figures are written when somebody presses Export"


@each
def test_it_opens_with_a_question(path):
    first = nbformat.read(path, as_version=4).cells[0]
    assert first.cell_type == "markdown"
    heading = first.source.splitlines()[0]
    assert heading.startswith("# ") and heading.endswith("?")


def test_the_overview_leads_to_every_other_notebook():
    text = (FOLDER / "00_overview.ipynb").read_text(encoding="utf-8")
    assert [path.name for path in NOTEBOOKS[1:] if f"[{path.name}]({path.name})" not in text] == []


@pytest.mark.parametrize("name", report_page.NOTEBOOKS)
def test_what_was_found_is_never_typed_in(name):
    cells = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4).cells
    words = " ".join(cell.source for cell in cells if cell.cell_type == "markdown")
    assert not re.search(r"\b(is|was|were|are) (not )?(reproduced|undecided)\b", words)
    assert not re.search(r"[+−]\d|\d\.\d{2}", words), "a number that a table should say"


@each
def test_its_cells_are_short(path):
    for cell in nbformat.read(path, as_version=4).cells:
        assert cell.cell_type != "code" or len(cell.source.splitlines()) < 25, cell.source


@each
def test_it_is_committed_without_outputs(path):
    text = path.read_text(encoding="utf-8")
    notebook = nbformat.from_dict(json.loads(text))
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    assert not {"widgets", "language_info"} & set(notebook.metadata)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
