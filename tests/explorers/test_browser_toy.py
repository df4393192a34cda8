"""The toy explorer under a person's hand: from a page on disk, and in JupyterLab with its kernel."""

import re
import shutil
from pathlib import Path

import pytest

from aoqlab.explorers.toy import toy
from aoqlab.toy.regression import RegressionProblem

CELL = """
from aoqlab.explorers.toy import toy
explorer = toy()
explorer
"""
PIXELS = "canvas => canvas.toDataURL()"
MAP, STRIP, FIGURE_2 = 0, 2, 6
RESULTS = Path(__file__).parent.parent.parent / "data" / "results"


@pytest.fixture(scope="module")
def explorer():
    return toy("toy-full", live=RegressionProblem(120, 20, 10, 20), seeds=(0, 1))


@pytest.fixture
def opened(page, tmp_path, explorer):
    """The exported page, opened from disk."""
    file = tmp_path / "toy.html"
    file.write_text(f"<!doctype html><meta charset='utf-8'>{explorer.static_html()}")
    page.goto(file.as_uri())
    page.locator(".aoq canvas").first.wait_for()
    page.wait_for_timeout(300)
    return page


def changed(page, canvas, before):
    page.wait_for_function("([canvas, before]) => canvas.toDataURL() !== before", arg=[canvas.element_handle(), before])


@pytest.mark.parametrize("name", ["lr", "shrink_min", "step_init"])
def test_a_key_moves_the_point_and_every_picture_of_it(opened, explorer, name):
    strip = opened.locator(".aoq canvas").nth(STRIP)
    before = strip.evaluate(PIXELS)
    opened.locator(f".aoq [data-name={name}] input").focus()
    opened.keyboard.press("ArrowLeft")
    changed(opened, strip, before)
    runs = explorer.at(dict(explorer.state) | {name: explorer.state[name] - 1})
    means = runs.groupby("method")["loss"].mean()
    shown = opened.locator(".aoq .readouts b").all_inner_texts()
    assert [float(text) for text in shown[:2]] == [float(f"{means[method]:.3g}") for method in ("aoq", "lsq")]
    assert opened.troubles == []


def test_a_click_on_a_surface_takes_its_setting_and_learning_rate(opened, explorer):
    surface = opened.locator(".aoq canvas").nth(MAP)
    box = surface.bounding_box()
    surface.click(position={"x": box["width"] - 14, "y": 14})
    outputs = [opened.locator(f".aoq [data-name={name}] output").inner_text() for name in ("lr", "shrink_min")]
    assert outputs == ["0.3", "1"]


def test_another_measure_colours_the_surface_anew(opened):
    surface = opened.locator(".aoq canvas").nth(MAP)
    before = surface.evaluate(PIXELS)
    opened.locator(".aoq [data-name=measure] select").select_option("explored_volume")
    changed(opened, surface, before)


def test_without_a_kernel_run_live_says_so_and_the_rest_goes_on(opened):
    opened.get_by_role("button", name="Run live").click()
    opened.locator(".aoq .say").get_by_text("needs a running kernel").wait_for()
    opened.locator(".aoq [data-name=lr] input").focus()
    opened.keyboard.press("ArrowRight")
    opened.wait_for_function("document.querySelectorAll('.aoq canvas')[6].ariaLabel.endsWith('not run yet')")
    assert opened.troubles == []


def test_live_runs_join_the_stored_ones_and_the_point_is_exported(notebook, page, project):
    (project / "data" / "results").mkdir(exist_ok=True)
    for file in RESULTS.glob("toy-full*"):
        shutil.copy(file, project / "data" / "results")
    notebook("toy", CELL)
    root = page.locator("[data-aoq-live] .aoq")
    origins = root.locator("canvas").nth(FIGURE_2)
    origins.wait_for()
    root.locator("[data-name=shrink_min] input").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("canvas => canvas.ariaLabel.endsWith('not run yet')", arg=origins.element_handle())
    root.get_by_role("button", name="Run live").click()
    page.wait_for_function("canvas => canvas.ariaLabel.includes('weights end at')", arg=origins.element_handle())
    assert "live" in root.locator(".readouts").inner_text()
    root.locator("[data-name=follow] input").check()
    root.locator("[data-name=lr] input").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("canvas => canvas.ariaLabel.endsWith('not run yet')", arg=origins.element_handle())
    page.wait_for_function("canvas => canvas.ariaLabel.includes('weights end at')", arg=origins.element_handle())
    root.get_by_role("button", name=re.compile("^Export$")).click()
    root.get_by_text("saved:").wait_for()
    written = {file.name for file in (project / "figures").iterdir() if file.name.startswith("toy-")}
    assert written == {f"toy-lr-0.003-shrink-0.4-step-1.67.{form}" for form in ("png", "svg", "pdf", "json")}
