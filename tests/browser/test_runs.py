"""The run explorer as a user meets it without a kernel: epochs, the table of layers, other runs."""

import re

import numpy as np
import pytest

from aoqlab.lab.explorers import runs

LSQ, AOQ = "resnet20-digits-lsq-2bit-seed0", "resnet20-digits-aoq-2bit-seed0"
PICTURES = "canvases => canvases.filter(c => c.offsetParent).map(c => c.toDataURL())"


@pytest.fixture
def exported(page, tmp_path, checkout, monkeypatch):
    """An explorer as an exported page, opened from disk; returns its element and the explorer that Python has."""
    monkeypatch.setenv("AOQLAB_ROOT", str(checkout))  # where there are no runs of one's own

    def open_page(*arguments):
        explorer = runs(*arguments)
        (tmp_path / "page.html").write_text(f"<!DOCTYPE html><meta charset=utf-8>{explorer.static_html()}")
        page.goto((tmp_path / "page.html").as_uri())
        root = page.locator(".aoq")
        root.locator("tbody tr").first.wait_for()
        return root, explorer

    yield open_page
    assert page.troubles == []


def slider(root):
    return root.locator("[data-name=epoch] input")


def rows(root):
    """Layer → texts of its cells, in the table's order."""
    texts = root.locator("tbody tr").evaluate_all("rows => rows.map(row => [...row.cells].map(cell => cell.innerText))")
    return {layer: cells for layer, *cells in texts}


def test_keys_move_the_epoch_and_every_picture_of_it_without_a_kernel(exported, page):
    root, explorer = exported()
    before = root.locator("canvas").evaluate_all(PICTURES)
    slider(root).focus()
    for _ in range(18):
        page.keyboard.press("ArrowLeft")
    root.get_by_text("12 of 30").wait_for()
    root.get_by_text("Recorded at step 252").wait_for()
    after = root.locator("canvas").evaluate_all(PICTURES)
    moved = [old != new for old, new in zip(before, after, strict=True)]
    assert moved == [True] * 9  # the maps of both runs among them

    explorer.set(epoch=12)
    said = root.locator("canvas").evaluate_all("canvases => canvases.map(canvas => canvas.ariaLabel)")[-2:]
    for words, name in zip(said, (LSQ, AOQ), strict=True):
        course, layer = explorer.course(name), explorer.state["layer"]
        counts = course.moves(course.layers.index(layer), 12)
        before, now = np.unravel_index(counts.argmax(), counts.shape)
        assert f"{layer}, epoch 12: most often from code {before} to {now}, {counts.max()} times" in words
    courses = [explorer.course(name) for name in (LSQ, AOQ)]
    for layer, cells in rows(root).items():
        shown = [float(cells[k].rstrip("%")) / 100 for k in (1, 4)]
        expected = [course.oscillating[course.layers.index(layer), 12] for course in courses]
        assert shown == pytest.approx(expected, abs=6e-5)


def test_headers_sort_by_keyboard_and_say_so(exported, page):
    root, _ = exported()
    header = root.get_by_role("button", name=re.compile("Sort by oscillating, AOQ"))
    header.focus()
    for order, sign in (("descending", -1), ("ascending", 1)):
        page.keyboard.press("Enter")
        root.locator(f"th[aria-sort={order}]").get_by_text("oscillating").wait_for()
        assert root.locator("th[aria-sort]").count() == 1
        whole, *shares = [float(cells[4].rstrip("%")) for cells in rows(root).values()]
        assert shares == sorted(shares, key=lambda share: sign * share) and whole == pytest.approx(1.82)
        assert header.evaluate("button => button === document.activeElement")


def test_a_layers_name_in_the_table_chooses_it_and_keeps_the_focus(exported, page):
    root, _ = exported()
    root.get_by_role("button", name="layer2.1.conv1").focus()
    page.keyboard.press("Space")
    root.locator("tr.chosen").get_by_text("layer2.1.conv1").wait_for()
    assert root.locator("[data-name=layer] select").input_value() == "layer2.1.conv1"
    assert page.evaluate("document.activeElement.innerText") == "layer2.1.conv1"


def test_play_stops_where_the_runs_end_and_begins_again(exported, page):
    root, _ = exported()
    slider(root).fill("28")
    root.get_by_role("button", name="Play: epoch").click()
    root.get_by_text("30 of 30").wait_for()
    root.get_by_role("button", name="Play: epoch").click()
    root.get_by_text(re.compile(r"^[1-5] of 30")).wait_for()
    root.get_by_role("button", name="Pause: epoch").click()
    assert 1 <= int(slider(root).input_value()) < 30


def test_a_run_that_is_not_in_the_page_is_refused_with_a_sentence_and_the_choice_goes_back(exported, page):
    root, _ = exported()
    menu = root.locator("[data-name=second] select")
    menu.select_option("resnet20-digits-statsq-2bit-seed0")
    root.get_by_text("StatsQ, 2 bits, resnet20 on digits, seed 0: This needs a running kernel").wait_for()
    assert menu.input_value() == AOQ
    menu.select_option("nothing")
    root.get_by_text("StatsQ").first.wait_for(state="hidden")
    assert {len(cells) for cells in rows(root).values()} == {4}


def test_where_codes_were_looked_at_more_seldom_the_page_says_so(still, page):
    explorer = runs(LSQ)
    note = still(explorer).root.locator(".note").inner_text()
    assert "0.005 of the steps." in note and "not seen" not in note
    message = explorer.data["runs"][LSQ] | {"every": 4}
    explorer.data = explorer.data | {"runs": {LSQ: message}}
    note = still(explorer).root.locator(".note").inner_text()
    assert "0.005 of the steps at which codes are looked at." in note
    assert "every 4 steps: crossings in between are not seen." in note
    assert page.troubles == []
