"""The manners of every explorer, in an exported page: themes, width, keyboard, motion, two of them side by side."""

import pytest
import torch

from aoqlab.lab.explorers import intervals, landscape, runs, toy

SILENT = ("near", "move")  # about the numbers alone
FOCUSABLE = "input, select, button, a[href]"
# Marks what can have the focus and is seen, in the order of the page; returns how many there are.
MARK = f"""root => {{
    const all = [...root.querySelectorAll('{FOCUSABLE}')].filter(node => !node.disabled && node.checkVisibility());
    all.forEach((node, i) => (node.dataset.mark = i));
    return all.length;
}}"""
FOCUS = """() => {
    const node = document.activeElement, box = node.getBoundingClientRect(), style = getComputedStyle(node);
    const name = node.labels?.[0]?.textContent ?? node.ariaLabel ?? node.textContent;
    const outlined = style.outlineStyle !== 'none' && style.outlineWidth !== '0px';
    return [node.dataset.mark, outlined, name, box.width * box.height];
}"""


@pytest.fixture(scope="module")
def made():
    """Each explorer by its name, made once."""
    known = {}

    def make(name):
        kinds = {"intervals": lambda: intervals(randn()), "toy": toy, "landscape": landscape, "runs": runs}
        if name not in known:
            known[name] = kinds[name]()
        return known[name]

    return make


def randn(n=100_000):
    return torch.randn(n, generator=torch.Generator().manual_seed(0)) * 0.05


each = pytest.mark.parametrize("name", ["intervals", "toy", "landscape", "runs"])


@each
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_slider_moves_the_picture_in_light_and_in_dark(still, made, page, look, name, scheme):
    hand = still(made(name), color_scheme=scheme)
    background = hand.root.evaluate("root => getComputedStyle(root).backgroundColor")
    assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(17, 17, 17)"}[scheme]
    look(page, f"page-{name}-{scheme}")
    for slider in hand.sliders():
        before = hand.pictures()
        hand.by_keyboard(slider)
        if slider not in SILENT:
            hand.changed(before, slider)
    assert hand.root.locator(".export").is_hidden()
    assert page.troubles == []


@each
@pytest.mark.parametrize("width", [360, 500, 700])
def test_a_narrow_window_wraps_and_cuts_nothing_off(still, made, page, look, name, width):
    page.set_viewport_size({"width": width, "height": 900})
    still(made(name))
    page.wait_for_timeout(100)
    look(page, f"page-{name}-{width}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # What scrolls within a box of its own, as wide tables do, may be wider than that.
    wide = page.locator(".aoq").evaluate(
        """(root, width) => [...root.querySelectorAll('*')].filter(node => {
            for (let box = node.parentNode; box !== root; box = box.parentNode)
                if (['auto', 'scroll'].includes(getComputedStyle(box).overflowX)) return false;
            return node.checkVisibility() && node.getBoundingClientRect().right > width + 0.5;
        }).map(node => node.outerHTML.slice(0, 80))""",
        width,
    )
    assert wide == []


@each
def test_the_tab_key_reaches_everything_in_order_and_the_focus_is_seen(still, made, page, name):
    hand = still(made(name))
    count = hand.root.evaluate(MARK)
    page.evaluate("document.activeElement.blur()")
    for i in range(count):
        page.keyboard.press("Tab")
        mark, outlined, label, area = page.evaluate(FOCUS)
        assert mark == str(i), f"{label} has the focus out of order"
        assert outlined, f"no focus is seen on {label}"
        assert len(label.strip()) > 2 and area > 100
    for canvas in hand.root.locator("canvas").all():
        assert canvas.get_attribute("role") == "img" and canvas.get_attribute("aria-label")


@pytest.mark.parametrize("name", ["intervals", "landscape", "runs"])
def test_where_motion_is_to_be_reduced_it_steps_and_does_not_play(still, made, name):
    hand = still(made(name), reduced_motion="reduce")
    assert hand.button("^Play").count() == 0
    before = hand.pictures()
    hand.button("^Step").click()
    after = hand.changed(before, "Step")
    hand.page.wait_for_timeout(300)
    assert hand.pictures() == after, "it continues by itself"


def test_motion_that_becomes_unwanted_stops(still, made, page):
    hand = still(made("intervals"))
    hand.button("^Play").click()
    hand.button("^Pause").wait_for()
    page.emulate_media(reduced_motion="reduce")
    hand.button("^Pause").wait_for(state="hidden")
    before = hand("moment").input_value()
    page.wait_for_timeout(300)
    assert hand("moment").input_value() == before


def test_two_of_a_kind_in_one_page_move_apart(still, made, page):
    one, other = still(intervals(randn()), intervals(randn(1000)))
    apart, before = other.pictures(), one.pictures()
    one.by_mouse("th")
    one.changed(before, "th")
    assert other.pictures() == apart
    marks = page.locator("[id]").evaluate_all("nodes => nodes.map(node => node.id)")
    assert len(marks) == len(set(marks))
    assert page.troubles == []
