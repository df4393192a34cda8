"""The toy explorer in use: surfaces, measures, and what it says without a kernel."""

import pytest

from aoqlab.lab.claims import stored_surface
from aoqlab.lab.explorers import toy
from aoqlab.lab.toy.regression import RegressionProblem

PIXELS = "canvas => canvas.toDataURL()"
MAP, STRIP = 0, 2


@pytest.fixture(scope="module")
def explorer():
    return toy("toy-full", live=RegressionProblem(120, 20, 10, 20), seeds=(0, 1))


@pytest.fixture
def opened(page, tmp_path, explorer):
    """The exported page, opened from disk."""
    file = tmp_path / "toy.html"
    file.write_text(f"<!doctype html><meta charset='utf-8'>{explorer.static_html()}")
    page.goto(file.as_uri())
    page.locator(".aoq .readouts b").first.wait_for()  # written when all pictures are drawn
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
    surface.click(position={"x": box["width"] - 74, "y": 14})  # left of the colour bar
    outputs = [opened.locator(f".aoq [data-name={name}] output").inner_text() for name in ("lr", "shrink_min")]
    assert outputs == ["0.3", "1"]


def test_another_measure_colours_the_surface(opened):
    surface = opened.locator(".aoq canvas").nth(MAP)
    before = surface.evaluate(PIXELS)
    opened.locator(".aoq [data-name=measure] select").select_option("explored_volume")
    changed(opened, surface, before)
    assert opened.troubles == []


def test_without_a_kernel_run_live_says_so_and_the_rest_works(opened):
    opened.get_by_role("button", name="Run live").click()
    opened.locator(".aoq .say").get_by_text("needs a running kernel").wait_for()
    opened.locator(".aoq [data-name=lr] input").focus()
    opened.keyboard.press("ArrowRight")
    opened.locator("figcaption", has_text="stored, seed 0").first.wait_for()
    assert opened.troubles == []


@pytest.mark.parametrize("name", ["lr", "shrink_min", "step_init"])
def test_trajectories_and_figure_2_match_the_stored_run_at_every_setting(opened, explorer, name):
    panels = opened.locator(".aoq figure")
    titles = [panels.nth(i).locator("figcaption").inner_text() for i in range(4, 8)]
    stored = "stored, seed 0, "
    assert [stored in title for title in titles] == [True] * 4
    before = [panels.nth(i).locator("canvas").evaluate(PIXELS) for i in range(4, 8)]
    opened.locator(f".aoq [data-name={name}] input").focus()
    for _ in range(2):
        opened.keyboard.press("ArrowLeft")
    moves = {"lr": (4, 5, 6, 7), "shrink_min": (4, 6), "step_init": (5, 7)}[name]
    for i in moves:
        changed(opened, panels.nth(i).locator("canvas"), before[i - 4])
    state = dict(explorer.state) | {name: explorer.state[name] - 2}
    stored = stored_surface.load("toy-full")
    runs, samples = stored.runs, stored.samples
    for method, config in explorer.configs(state).items():
        own = config.describe()
        key = "shrink_min" if method == "aoq" else "step_init"
        same = runs[key].isna() if own[key] is None or own[key] != own[key] else runs[key] == own[key]
        (place,) = runs.index[(runs["method"] == method) & (runs["lr"] == own["lr"]) & same]
        ends = zip(samples[place].ends, explorer.data["levels"], strict=True)
        label = "; ".join(f"{count} weights end at {level}" for count, level in ends)
        opened.locator(f'.aoq canvas[aria-label$="{label}"]').wait_for()
    assert opened.troubles == []


def test_without_stored_samples_other_settings_wait_for_a_live_run(page, tmp_path, explorer):
    data = explorer.data
    explorer.data = data | {"samples": None}
    try:
        file = tmp_path / "toy.html"
        file.write_text(f"<!doctype html><meta charset='utf-8'>{explorer.static_html()}")
    finally:
        explorer.data = data
    page.goto(file.as_uri())
    page.locator("figcaption", has_text="live, seed 0, ").first.wait_for()
    page.locator(".aoq [data-name=lr] input").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelectorAll('.aoq canvas')[6].ariaLabel.endsWith('not run yet')")
    assert page.troubles == []
