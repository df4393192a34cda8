"""Every notebook as a user opens it: JupyterLab runs it from the menu, nothing complains, and it can be looked at."""

import shutil

import pytest

from .harness import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ERRORS = '[data-mime-type="application/vnd.jupyter.error"], .jp-Notebook [role="alert"]'
STDERR = '[data-mime-type="application/vnd.jupyter.stderr"]'
# From the first cell's top to the last one's bottom; the panel itself leaves room to scroll past the end.
HEIGHT = """() => {
    const cells = [...document.querySelectorAll('.jp-Notebook .jp-Cell')].map(node => node.getBoundingClientRect());
    return Math.ceil(cells.at(-1).bottom - cells[0].top);
}"""


@pytest.fixture(scope="module")
def copies(checkout):
    for path in NOTEBOOKS:
        shutil.copy(path, checkout / "notebooks")


@pytest.mark.parametrize("name", [path.stem for path in NOTEBOOKS])
def test_it_runs_from_the_menu_and_nothing_complains(copies, notebook, page, look, name):
    notebook(name)
    for _ in range(2):  # cells that were not seen before have their height only then
        page.set_viewport_size({"width": 1400, "height": min(16_000, page.evaluate(HEIGHT) + 160)})
        page.locator(".jp-Notebook .jp-WindowedPanel-outer").evaluate("node => (node.scrollTop = 0)")
        page.wait_for_timeout(300)
    look(page, f"notebook-{name}")
    assert page.locator(ERRORS).all_inner_texts() == []
    assert page.locator(STDERR).all_inner_texts() == []
    assert page.get_by_text("Error displaying widget").count() == 0
    assert page.locator(".aoq .say").filter(has_text="Not drawn").count() == 0
    assert page.locator(".jp-Notebook canvas, .jp-Notebook .jp-OutputArea-output img").count() > 0, "no picture"
    assert page.troubles == []
