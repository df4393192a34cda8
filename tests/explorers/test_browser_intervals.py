"""The interval explorer as a person meets it: JupyterLab or an exported page, a hand on every control."""

import json
import re
import time
from pathlib import Path

import pytest
import torch

from aoqlab.explorers import export_html, intervals

SHOTS = Path(__file__).parent.parent.parent / "figures" / "screenshots"
RANDOM = """
import os, torch
from aoqlab.explorers import intervals
weights = torch.randn({n}, generator=torch.Generator().manual_seed(0)) * 0.05
explorer = intervals(weights)
print("kernel", os.getpid())
explorer
"""
SLIDERS = ("bits", "th", "le", "alpha", "near", "move", "moment")
GRAB = "root => [...root.querySelectorAll('canvas')].map(canvas => canvas.toDataURL()).join()"
FRAMES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"
MOVES = """async root => {
    const input = root.querySelector('[data-name=th] input');
    for (let i = 0; i < 1000; i++) {
        input.value = 100 + (i * 7) % 90;
        input.dispatchEvent(new Event('input', { bubbles: true }));
        await new Promise(requestAnimationFrame);
    }
}"""


class Hand:
    """What a person does with one explorer, and sees of it."""

    def __init__(self, page, root):
        self.page, self.root = page, root

    def __call__(self, name):
        return self.root.locator(f"[data-name={name}]").locator("input, select").first

    def pictures(self):
        self.page.evaluate(FRAMES)
        return self.root.evaluate(GRAB)

    def numbers(self):
        self.page.evaluate(FRAMES)
        return re.sub(r"exact|from the summary.*", "", self.root.locator(".readouts").inner_text())

    def press(self, name, key="ArrowRight", times=1):
        self(name).focus()
        for _ in range(times):
            self.page.keyboard.press(key)

    def drag(self, name, start=0.3, end=0.6):
        self(name).scroll_into_view_if_needed()
        box = self(name).bounding_box()
        y = box["y"] + box["height"] / 2
        self.page.mouse.move(box["x"] + start * box["width"], y)
        self.page.mouse.down()
        self.page.mouse.move(box["x"] + end * box["width"], y, steps=6)
        self.page.mouse.up()

    def button(self, words):
        return self.root.get_by_role("button", name=re.compile(words))

    def exact(self):
        """Waits until the kernel's numbers have come."""
        self.root.locator(".readouts small").filter(has_text=re.compile("^exact$")).first.wait_for()


@pytest.fixture
def look(page):
    """Keeps a screenshot where people can look at it (an ignored folder)."""

    def keep(name):
        SHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SHOTS / f"intervals-{name}.png", full_page=True)

    return keep


@pytest.fixture
def still(page, tmp_path):
    """Opens explorers as a page of their own, from disk and without a network."""

    def opened(*explorers, **settings):
        file = tmp_path / "page.html"
        body = "".join(explorer.static_html() for explorer in explorers)
        file.write_text(f'<!DOCTYPE html><meta charset="utf-8"><link rel="icon" href="data:,"><body>{body}')
        page.context.set_offline(True)
        page.emulate_media(**settings)
        page.goto(file.as_uri())
        roots = page.locator(".aoq")
        roots.nth(len(explorers) - 1).locator(".readouts b, .say:not(:empty)").first.wait_for()
        hands = [Hand(page, roots.nth(i)) for i in range(len(explorers))]
        return hands if len(hands) > 1 else hands[0]

    return opened


def randn(n=100_000):
    return torch.randn(n, generator=torch.Generator().manual_seed(0)) * 0.05


def move_everything(hand):
    """Every slider by keyboard and by drag, every menu and the box; picture and numbers change with each."""
    seen_pictures, seen_numbers = hand.pictures(), hand.numbers()

    def changed(name, picture=True, numbers=True):
        nonlocal seen_pictures, seen_numbers
        pictures, now = hand.pictures(), hand.numbers()
        assert (pictures != seen_pictures) or not picture, f"{name} left the picture as it was"
        assert (now != seen_numbers) or not numbers, f"{name} left the numbers as they were"
        seen_pictures, seen_numbers = pictures, now

    for name in SLIDERS:
        hides = name in ("near", "move")  # about the numbers alone
        hand.press(
            name, "ArrowLeft" if name == "alpha" else "ArrowRight", 8 if name in ("th", "le", "alpha", "moment") else 1
        )
        changed(f"{name} by keyboard", picture=not hides)
        hand.drag(name)
        changed(f"{name} by drag", picture=not hides)
    assert hand("le").is_disabled()  # the levels learn
    hand.press("moment", "Home")
    changed("training back at its begin")
    hand.press("bits", "Home")
    changed("few bits")  # where quantizers differ most
    for kind in ("aoq-mid-tread", "lsq", "statsq", "aoq-mid-rise"):
        hand("quantizer").select_option(kind)
        changed(kind)
        assert hand("th").is_disabled() == (kind == "statsq")
        assert hand("le").is_disabled() == (kind in ("lsq", "statsq"))
    hand("start").select_option("own")
    changed("start")
    hand.drag("th", 0.5, 0.8)
    changed("th once more")
    hand.press("locked", "Space")
    changed("lock")
    assert hand("th").input_value() == hand("le").input_value()
    hand.press("le", "ArrowLeft", 5)
    changed("le, locked")
    assert hand("th").input_value() == hand("le").input_value()


def test_in_jupyterlab_every_control_moves_the_picture_and_export_writes_it(notebook, page, project, look):
    notebook("explorers", RANDOM.format(n=200_000), 'intervals("digits_cnn")')
    roots = page.locator(".aoq")
    roots.nth(1).locator(".readouts b").first.wait_for()
    hand, other = Hand(page, roots.first), Hand(page, roots.nth(1))
    hand.exact()
    look("jupyterlab")
    apart = other.pictures()
    move_everything(hand)
    assert other.pictures() == apart, "one explorer moved the other"

    # Exact numbers come when the hand rests, and are close to those that were there.
    before = hand.numbers()
    hand.press("bits")
    hand.exact()
    assert hand.numbers() != before

    # Export, then again: it asks, and replaces only when told to.
    hand.root.get_by_label("save as").fill("by-hand")
    hand.button("^Export$").click()
    links = hand.root.locator(".export a")
    links.nth(3).wait_for()
    folder = project / "figures"
    written = {f"by-hand.{form}" for form in ("png", "svg", "pdf", "json")}
    assert {path.name for path in folder.iterdir()} == written
    assert links.all_inner_texts() == [f"figures/by-hand.{form}" for form in ("png", "svg", "pdf", "json")]
    assert (
        page.evaluate("async url => (await (await fetch(url)).blob()).size", links.first.get_attribute("href")) > 1000
    )
    record = json.loads((folder / "by-hand.json").read_text())["parameters"]
    assert record["bits"] == 3 and record["start"] == "free"
    first = (folder / "by-hand.png").read_bytes()
    hand.press("bits", "End")
    hand.button("^Export$").click()
    hand.button("^Save as by-hand-2$").click()
    page.get_by_text("figures/by-hand-2.png").wait_for()
    assert (folder / "by-hand.png").read_bytes() == first
    hand.button("^Export$").click()
    hand.button("^Replace by-hand$").click()
    page.locator(".export a").get_by_text("figures/by-hand.png", exact=True).wait_for()
    assert (folder / "by-hand.png").read_bytes() != first

    # The other one, with its layers; then its cell is run again.
    other("layer").select_option("conv2")
    assert other.pictures() != apart
    other.button("^Export$").click()
    other.root.locator(".export a").nth(3).wait_for()
    assert (folder / "intervals-conv2-aoq-mid-rise-2bits.svg").is_file()

    # The dark theme, and back to the cells run again.
    light = other.pictures()
    page.get_by_role("menuitem", name="Settings", exact=True).click()
    page.locator(".lm-Menu-item").filter(has_text=re.compile("^Theme$")).hover()
    page.locator(".lm-Menu-item").filter(has_text="JupyterLab Dark").first.click()
    page.locator("body[data-jp-theme-light=false]").wait_for(state="attached")
    page.wait_for_timeout(500)  # the theme's style sheet arrives after its name
    assert other.pictures() != light
    look("jupyterlab-dark")
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    other("layer").locator("option:checked").filter(has_text="conv3").wait_for(state="attached")
    assert roots.count() == 2
    hand.exact()
    before = hand.pictures()
    hand.press("bits", times=3)
    assert hand.pictures() != before
    assert page.troubles == []


def test_a_thousand_moves_leave_memory_and_console_as_they_were(notebook, page):
    notebook("moves", RANDOM.format(n=1_000_000))
    hand = Hand(page, page.locator(".aoq"))
    hand.root.wait_for()
    hand.exact()
    pid = int(re.search(r"kernel (\d+)", page.locator(".jp-OutputArea").first.inner_text())[1])

    def megabytes():
        return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024

    hand.press("bits", "End")
    hand.exact()
    before = megabytes()
    hand.root.evaluate(MOVES)
    hand.exact()
    assert megabytes() - before < 50
    assert page.troubles == []


def test_a_restarted_kernel_is_noticed_and_a_saved_notebook_opens_alive(notebook, page, project, look):
    path = notebook("restarted", RANDOM.format(n=50_000))
    hand = Hand(page, page.locator(".aoq"))
    hand.root.wait_for()
    hand.exact()
    page.keyboard.press("Control+s")
    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    page.locator(".lm-Menu-item").filter(has_text="Restart Kernel").first.click()
    page.locator(".jp-Dialog .jp-mod-warn").click()
    hand.root.locator(".note").filter(has_text="need a kernel").wait_for()
    before = hand.pictures()
    hand.press("bits")
    assert hand.pictures() != before, "sliders must go on without a kernel"
    hand.button("^Export$").click()
    hand.root.locator(".export").get_by_text("This needs a running kernel").wait_for()
    assert page.troubles == []

    # Opened again: no kernel knows the widget, so the page that was saved with it takes its place.
    until_saved(path)
    page.reload()
    page.locator(".aoq .readouts b").first.wait_for()
    hand = Hand(page, page.locator(".aoq"))
    hand.press("bits")
    assert "3" in hand("bits").locator("xpath=..").inner_text()
    assert page.get_by_text("model not found").is_hidden()
    look("reopened")

    # And exported, by anyone's nbconvert or ours, without a network.
    target = export_html(path)
    page.context.set_offline(True)
    page.goto(target.as_uri())
    hand = Hand(page, page.locator(".aoq"))
    hand.root.locator(".readouts b").first.wait_for()
    before = hand.pictures()
    hand.drag("th")
    assert hand.pictures() != before
    look("exported")


def until_saved(path):
    for _ in range(100):
        if "data-aoq-page" in path.read_text():
            return
        time.sleep(0.1)
    raise AssertionError("the notebook was not saved")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_from_disk_slides_without_kernel_and_network(still, page, look, scheme):
    hand = still(intervals(randn()), color_scheme=scheme)
    background = page.evaluate("getComputedStyle(document.querySelector('.aoq')).backgroundColor")
    assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(17, 17, 17)"}[scheme]
    look(f"page-{scheme}")
    move_everything(hand)
    hand("start").select_option("own")
    hand.press("bits", "End")
    look(f"page-{scheme}-8bits")
    assert hand.root.locator(".export").is_hidden()
    assert page.troubles == []


def test_play_runs_through_the_stages_and_stops(still, page):
    hand = still(intervals(randn()))
    hand.button("^Play").click()
    hand.button("^Pause").wait_for()
    hand.root.locator(".note").filter(has_text="Stage widen").wait_for()
    hand.button("^Play").wait_for()  # it has come to its end
    assert "Stage dampen" in hand.root.locator(".note").inner_text()
    assert hand("moment").input_value() == "101"
    hand.button("^Play").click()
    hand.button("^Pause").click()
    assert hand.button("^Play").is_visible()
    assert page.troubles == []


def test_play_steps_where_motion_is_to_be_reduced(still, page):
    hand = still(intervals(randn()), reduced_motion="reduce")
    assert hand.button("^Play").count() == 0
    before = hand.pictures()
    hand.button("^Step").click()
    assert hand("moment").input_value() == "5" and hand.pictures() != before


def test_everything_is_reached_by_the_tab_key_and_has_a_name(still, page):
    hand = still(intervals(randn()))
    page.evaluate("document.activeElement.blur()")
    reached = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        name = page.evaluate("document.activeElement.closest('[data-name]')?.dataset.name")
        if name:
            reached.add(name)
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", f"no focus seen on {name}"
    assert reached == {"layer", "quantizer", "start", "locked", *SLIDERS}
    for control in hand.root.locator("input:visible, select:visible").all():
        assert control.evaluate("node => node.labels.length === 1 && node.labels[0].textContent.length > 3")
    assert hand("bits").get_attribute("aria-valuetext") == "2"
    for canvas in hand.root.locator("canvas").all():
        assert canvas.get_attribute("role") == "img" and canvas.get_attribute("aria-label")


@pytest.mark.parametrize("width", [360, 700])
def test_a_narrow_window_wraps_and_cuts_nothing_off(still, page, look, width):
    page.set_viewport_size({"width": width, "height": 900})
    still(intervals(randn()))
    look(f"narrow-{width}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    wide = page.locator(".aoq *").evaluate_all(
        "(nodes, width) => nodes.filter(n => n.getBoundingClientRect().right > width).map(n => n.tagName)", width
    )
    assert wide == []


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        (torch.tensor([0.3]), "There is one weight"),
        (torch.zeros(10), "All 10 weights are equal"),
        (torch.cat([randn(100), torch.tensor([float("nan")])]), "1 of 101 weights are NaN or infinite"),
        (torch.full((4,), float("inf")), "none of the 4 weights is finite"),
    ],
)
def test_extremes_show_a_sentence_and_slide_on(still, page, weights, sentence):
    hand = still(intervals(weights))
    assert sentence in hand.root.locator(".say").inner_text()
    for name in SLIDERS:
        hand.press(name, "Home")
        hand.press(name, "End")
    assert "Not drawn" not in hand.root.locator(".say").inner_text()
    assert page.troubles == []


def test_an_interval_of_0_is_drawn(still, page):
    hand = still(intervals(randn()))
    for name in ("th", "le"):
        hand.press(name, "Home")
    assert "0 σ" in hand("th").locator("xpath=..").inner_text()
    assert hand.root.locator(".say").inner_text() == ""
    assert page.troubles == []


def test_the_numbers_without_a_kernel_are_those_of_the_package(still, page):
    explorer = intervals(randn())
    explorer.set(bits=3, start="free", th=0.4, le=0.6, alpha=0.8)
    hand = still(explorer)
    found, sigma = explorer.readouts(), explorer.summary("weights").sigma
    shown = hand.root.locator(".readouts b").all_inner_texts()
    assert float(shown[0].split()[0]) == pytest.approx(found["mse"] / sigma**2, rel=6e-3)  # three digits
    assert float(shown[1].split()[0]) == pytest.approx(found["sqnr"], rel=6e-3)
    assert float(shown[2].split()[0]) == pytest.approx(found["entropy"], rel=6e-3)
    assert float(shown[3].rstrip("%")) / 100 == pytest.approx(found["near"], rel=6e-3)
