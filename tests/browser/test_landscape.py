"""The landscape explorer in use: a start, two walks, their speed."""

import pytest

from aoqlab.lab.explorers import landscape

# In one call, so that a busy machine cannot miss the end of the walk.
FASTER = """() => new Promise((done) => {
    const [step, button, speed] = ["step] output", "step] button", "speed] select"].map(
        (place) => document.querySelector(`.aoq [data-name=${place}`));
    button.click();
    speed.value = "60";
    speed.dispatchEvent(new Event("change"));
    const begin = Number(step.textContent);
    const look = () => {
        if (!button.textContent.includes("Pause")) done("it stopped");
        else if (Number(step.textContent) > begin + 30) done("it plays");
        else setTimeout(look, 5);
    };
    setTimeout(look, 5);
})"""


@pytest.fixture
def opened(page, tmp_path):
    """The exported page, opened from disk."""
    file = tmp_path / "landscape.html"
    file.write_text(f"<!doctype html><meta charset='utf-8'>{landscape().static_html()}")
    page.goto(file.as_uri())
    page.locator(".aoq .readouts b").first.wait_for()  # written when all pictures are drawn
    return page


def output(page, name):
    return page.locator(f".aoq [data-name={name}] output")


def test_a_click_puts_the_start_there_and_both_walk(opened):
    opened.locator(".aoq [data-name=speed] select").select_option("10")
    picture = opened.locator(".aoq canvas").first
    box = picture.bounding_box()
    picture.click(position={"x": 50 + 0.5 * (box["height"] - 48), "y": 10 + 0.5 * (box["height"] - 48)})
    opened.get_by_role("button", name="Pause: training step").wait_for()
    opened.wait_for_function("document.querySelector('[data-name=step] output').textContent >= 10")
    opened.get_by_role("button", name="Pause: training step").click()
    assert output(opened, "w1").inner_text() == "0.00"
    step = int(output(opened, "step").inner_text())
    opened.get_by_role("button", name="Step: training step").click()
    assert int(output(opened, "step").inner_text()) == step + 1
    assert opened.troubles == []


def test_speed_changes_while_it_plays(opened):
    assert opened.evaluate(FASTER) == "it plays"


def test_where_motion_is_reduced_a_click_shows_the_whole_walk(opened):
    opened.emulate_media(reduced_motion="reduce")
    opened.locator(".aoq canvas").first.click(position={"x": 200, "y": 200})
    opened.wait_for_function("document.querySelector('[data-name=w1] output').textContent !== '−0.80'")
    assert output(opened, "step").inner_text() == "400"
    assert not opened.get_by_role("button", name="Play: training step").is_visible()
