"""Notebook 7, the other home of notebooks: explorers are shown there and move."""

import json

import pytest

from .conftest import CELLS
from .harness import FINISHED, Hand, end_kernels, menu, server, write_notebook

OWN = "reading 'schema'"  # an error that Notebook 7.6 throws while it starts, whatever the notebook


@pytest.fixture
def hands(checkout, page):
    """Controls of the flagship and of another explorer."""
    pytest.importorskip("notebook", reason="Notebook 7 is not installed")
    path = checkout / "notebooks" / "seven.ipynb"
    write_notebook(path, CELLS["weights"], CELLS["landscape"])
    with server("notebook", checkout) as jupyter:
        page.goto(f"{jupyter.url}notebooks/{path.name}?token={jupyter.token}")
        idle(page, jupyter)
        menu(page, "Run", "Run All Cells")
        page.wait_for_function(FINISHED)
        yield [Hand(page, page.locator("[data-aoq-live]").nth(i).locator(".aoq")) for i in range(2)]
        end_kernels(jupyter, path)


def idle(page, jupyter):
    """Waits for the kernel; there is no status bar here."""
    for _ in range(600):
        sessions = json.loads(jupyter.request("api/sessions"))
        if sessions and sessions[0]["kernel"]["execution_state"] == "idle":
            return
        page.wait_for_timeout(100)
    raise AssertionError("no kernel became idle")


def test_explorers_are_shown_move_and_export(hands, exported, page, look):
    flagship, landscape = hands
    flagship.alive()
    look(page, "notebook7")
    before = flagship.pictures()
    flagship.by_mouse("bits")
    before = flagship.changed(before, "bits by mouse")
    flagship.by_keyboard("th")
    flagship.changed(before, "th by keyboard")
    before = landscape.pictures()
    landscape.by_mouse("w1")
    landscape.changed(before, "w1 by mouse")
    assert exported(flagship).is_file()
    assert [trouble for trouble in page.troubles if OWN not in trouble] == []
