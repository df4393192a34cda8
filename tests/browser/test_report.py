"""The report as a user opens it: one file from disk, no network, no kernel; its explorers slide."""

import shutil
import subprocess
import sys

import pytest

from .harness import ROOT, Hand, own_settings

NOTEBOOKS = ("00_overview", "07_decoupling")  # a part of the report, with two kinds of explorers
WRITE = """
import sys
from aoqlab.lab.claims import report_page
report_page.NOTEBOOKS = sys.argv[2:]
report_page.html(out=sys.argv[1])
"""


@pytest.fixture(scope="module")
def written(checkout, tmp_path_factory):
    """The report on the committed results; made by a process of its own, because a browser's event loop runs here."""
    for name in NOTEBOOKS:
        shutil.copy(ROOT / "notebooks" / f"{name}.ipynb", checkout / "notebooks")
    folder = tmp_path_factory.mktemp("report")
    environment = own_settings(folder) | {"AOQLAB_ROOT": str(checkout)}
    command = [sys.executable, "-c", WRITE, str(folder / "report.html"), *NOTEBOOKS]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "report.html"


@pytest.fixture
def opened(page, written):
    """The report in a browser without a network; its explorers. Nothing is fetched, nothing goes wrong."""
    asked = []
    page.on("request", lambda request: request.url.startswith("data:") or asked.append(request.url))
    page.context.set_offline(True)
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 1200, "height": 900})
    page.goto(written.as_uri())
    roots = page.locator(".aoq")
    roots.nth(1).locator(".readouts b").first.wait_for()
    yield [Hand(page, roots.nth(i)) for i in range(roots.count())]
    assert asked == [written.as_uri()]
    assert page.troubles == []


def test_a_slider_in_the_report_moves_its_own_picture_by_keyboard_and_by_drag(opened):
    assert [hand.root.locator("h3").inner_text() for hand in opened] == ["Intervals: digits_cnn", "Runs"]
    for hand, other, slider in ((*opened, "th"), (*reversed(opened), "epoch")):
        apart, pictures, numbers = other.pictures(), hand.pictures(), hand.numbers()
        hand.press(slider, "ArrowLeft", 5)
        pictures = hand.changed(pictures, f"{slider} by keyboard")
        assert hand.numbers() != numbers
        hand.drag(slider)
        hand.changed(pictures, f"{slider} by drag")
        assert other.pictures() == apart, "one explorer moved the other"


def test_the_report_fits_the_window_and_its_pictures_are_there(opened, page, look):
    assert min(page.evaluate("[...document.images].map(image => image.naturalWidth)")) > 300
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    look(page, "report")


def test_every_name_in_the_report_is_given_once(opened, page):
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(element => element.id)")
    assert sorted(ids) == sorted(set(ids))
    labels = page.locator(".aoq label")
    assert labels.evaluate_all("labels => labels.every(label => label.closest('.aoq').contains(label.control))")


def test_explorers_are_as_light_as_the_report_where_the_user_prefers_dark(opened):
    for hand in opened:
        color = hand.root.evaluate("root => getComputedStyle(root).backgroundColor")
        assert color == "rgb(255, 255, 255)"
