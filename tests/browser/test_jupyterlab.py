"""All explorers in one notebook of a real JupyterLab: every control, Export, what the kernel adds, themes."""

import json
import re
from pathlib import Path

import pytest

SILENT = {"toy": ("follow",), "landscape": ("speed",)}  # what changes pictures only later
# Twenty times the controls are at rest, so that the state is saved.
MOVES = """async root => {
    const input = root.querySelector('[data-name=th] input');
    const wait = time => new Promise(done => setTimeout(done, time));
    for (let i = 0; i < 1000; i++) {
        input.value = 100 + (i * 7) % 90;
        input.dispatchEvent(new Event('input', { bubbles: true }));
        await (i % 50 ? wait(5) : wait(300));
    }
}"""

# Every note with the numbers above it: the page's own are there for a moment only.
OBSERVE = """root => {
    const [note, numbers] = ['.note', '.readouts'].map(part => root.querySelector(part));
    window.written = [];
    const write = () => window.written.push([note.textContent, numbers.textContent]);
    new MutationObserver(write).observe(root, { childList: true, subtree: true });
}"""


@pytest.mark.parametrize("name", ["toy", "landscape", "runs"])
def test_every_control_moves_the_picture_by_keyboard_and_by_mouse(hands, name):
    apart = hands["weights"].pictures()
    hands[name].move_everything(SILENT.get(name, ()))
    assert hands["weights"].pictures() == apart, "one explorer moved another"


@pytest.mark.parametrize("name", ["intervals", "toy", "landscape", "runs"])
def test_export_writes_four_files_and_asks_before_it_replaces_one(hands, exported, refused, name):
    hand = hands[name]
    first = exported(hand)
    second = refused(hand, first.stem)
    assert second.stem == f"{first.stem}-2"


def test_a_kept_name_is_replaced_only_when_told_to(hands, exported):
    hand = hands["weights"]
    hand.press("bits", "Home")
    hand.root.get_by_label("save as").fill("by-hand")
    file = exported(hand)
    assert file.stem == "by-hand"
    first = file.read_bytes()
    assert json.loads(file.with_suffix(".json").read_text())["parameters"]["bits"] == 2
    hand.press("bits", "End")
    hand.button("^Export$").click()
    hand.button("^Replace by-hand$").click()
    hand.root.locator(".export a").get_by_text("figures/by-hand.png", exact=True).wait_for()
    assert file.read_bytes() != first
    assert json.loads(file.with_suffix(".json").read_text())["parameters"]["bits"] == 8


def test_numbers_say_whether_they_are_exact(hands):
    notes = {name: hands[name].root.locator(".readouts small") for name in ("intervals", "weights")}
    assert notes["intervals"].first.text_content() == "exact"
    assert notes["weights"].first.text_content().startswith("from the summary")


def test_a_thousand_moves_take_no_memory(hands, lab):
    hand = hands["weights"]
    pid = int(re.search(r"kernel (\d+)", lab.locator(".jp-OutputArea").first.inner_text())[1])

    def megabytes():
        return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024

    hand.press("bits", "End")
    hand.pictures()
    before = megabytes()
    hand.root.evaluate(MOVES)
    hand.pictures()
    assert megabytes() - before < 50


def test_the_theme_of_jupyterlab_is_followed_at_once(hands, lab, look):
    light = {name: hand.pictures() for name, hand in hands.items()}
    try:
        theme(lab, "JupyterLab Dark", "false")
        for name, hand in hands.items():
            hand.root.scroll_into_view_if_needed()
            hand.changed(light[name], f"the dark theme, {name},")
            background = hand.root.evaluate("root => getComputedStyle(root).backgroundColor")
            assert max(map(int, re.findall(r"\d+", background)[:3])) < 60
            look(lab, f"jupyterlab-dark-{name}")
    finally:
        theme(lab, "JupyterLab Light", "true")


def theme(page, name, light):
    page.get_by_role("menuitem", name="Settings", exact=True).click()
    page.locator(".lm-Menu-item").filter(has_text=re.compile("^Theme$")).hover()
    page.locator(".lm-Menu-item").filter(has_text=re.compile(f"^{name}$")).first.click()
    page.locator(f"body[data-jp-theme-light={light}]").wait_for(state="attached")
    page.wait_for_timeout(500)  # the theme's style sheet arrives after its name


def test_the_kernel_walks_as_the_page_does(hands):
    hand = hands["landscape"]
    hand.root.get_by_text("Walks by aoqlab.lab.toy.landscape.").wait_for()
    before = hand.numbers()
    hand.root.evaluate(OBSERVE)
    hand.by_keyboard("shrink_min")
    hand.page.wait_for_function("window.written.length > 1 && window.written.at(-1)[0].includes('aoqlab')")
    written = hand.page.evaluate("window.written")
    by_page = [numbers for note, numbers in written if note == "Walks by the same steps in this page."]
    assert by_page[-1] == written[-1][1] and hand.numbers() != before


def test_live_runs_join_the_stored_ones_at_once_or_after_every_move(hands):
    hand = hands["toy"]

    def until(words):
        hand.root.locator("figcaption", has_text=words).nth(3).wait_for()

    def elsewhere():
        hand.press("shrink_min", "ArrowLeft" if hand("shrink_min").input_value() != "0" else "End")
        hand.pictures()  # it is drawn by now

    hand("follow").uncheck()
    elsewhere()
    until("stored, seed 0")
    hand.button("^Run live$").click()
    until("live, seed 0")
    assert "live" in hand.root.locator(".readouts").inner_text()
    hand("follow").check()
    elsewhere()
    until("live, seed 0")
    hand("follow").uncheck()


def test_a_run_that_the_page_has_not_comes_from_the_kernel(hands):
    hand = hands["runs"]
    hand("second").select_option("resnet20-digits-statsq-2bit-seed0")
    hand.root.locator("thead").get_by_text("StatsQ, 2 bits, resnet20 on digits, seed 0").wait_for()
    assert hand("second").input_value() == "resnet20-digits-statsq-2bit-seed0"


@pytest.mark.parametrize("name", ["intervals", "toy", "landscape", "runs"])
def test_keys_belong_to_the_explorer_and_not_to_the_notebook(hands, lab, name):
    hand = hands[name]
    hand(hand.names()[0]).focus()
    for _ in range(200):
        lab.keyboard.press("Tab")
        if lab.evaluate("document.activeElement.textContent") == "Export":
            break
    assert hand.button("^Export$").evaluate("node => node === document.activeElement"), "Tab does not reach Export"
    lab.keyboard.press("Enter")
    hand.root.locator(".export").get_by_text(re.compile("saved:|is there already")).wait_for()
    for key in ("a", "b", "d", "d", "x"):  # in command mode these add, delete and cut cells
        lab.keyboard.press(key)
    assert lab.locator(".jp-CodeCell").count() == len(hands)
