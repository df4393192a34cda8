"""Explorers whose cells run again, whose kernel is restarted, whose notebook is opened again or exported."""

import re
import time

import nbformat

from aoqlab.lab.explorers import export_html, landscape

from .harness import FINISHED, PATIENCE, Hand, menu

ANEW = """old => {
    const now = [...document.querySelectorAll('[data-aoq-live]')].filter(node => node.querySelector('.aoq b'));
    return now.length === old.length && now.every(node => !old.includes(node.dataset.aoqLive));
}"""


def test_cells_run_again_and_restarts_and_reopening_are_survived(hands, lab, look):
    hand = hands["intervals"]
    hand.press("bits", "End")
    first = ids(lab)
    run_again(lab, first)
    assert hand("bits").get_attribute("aria-valuetext") == "2"
    assert lab.locator(".aoq").count() == len(hands)

    # Opened again while its kernel is there: each is as alive as before.
    save(lab)
    lab.reload()
    hand.alive()
    hand.button("^Export$").click()
    hand.root.locator(".export").get_by_text(re.compile("saved:|is there already")).wait_for()
    assert lab.locator(".aoq").count() == len(ids(lab)) == len(hands)

    # The kernel is restarted: sliders still work, and what needs a kernel says so.
    menu(lab, "Kernel", "Restart Kernel…")
    lab.locator(".jp-Dialog .jp-mod-warn").click()
    hand.root.locator(".note").filter(has_text="need a kernel").wait_for()
    for name, other in hands.items():
        other.root.scroll_into_view_if_needed()
        before = other.pictures()
        other.by_keyboard(other.sliders()[0])
        other.changed(before, f"{name} after the kernel's restart")
        other.button("^Export$").click()
        other.root.locator(".export").get_by_text("This needs a running kernel").wait_for()
    look(lab, "jupyterlab-restarted")
    other, choice = hands["runs"], hands["runs"]("second").input_value()
    other("second").select_option("resnet20-digits-statsq-2bit-seed0")
    other.root.get_by_text("StatsQ, 2 bits, resnet20 on digits, seed 0: This needs a running kernel").wait_for()
    assert other("second").input_value() == choice

    # Opened again after that: no kernel knows the widgets, so the pages that were saved with them take their places.
    lab.reload()
    opened = {name: Hand(lab, lab.locator(".aoq").nth(i)) for i, name in enumerate(hands)}
    slide(opened)
    assert not lab.get_by_text("model not found").locator("visible=true").count()
    look(lab, "jupyterlab-reopened")

    # With the kernel's help again, in the same notebook.
    run_again(lab, first)
    assert lab.locator(".aoq").count() == len(hands)


def run_again(page, first):
    """Run → Run All Cells, to the end: a cell's saved page is written after its live explorer is shown."""
    menu(page, "Run", "Run All Cells")
    page.wait_for_function(ANEW, arg=first)
    page.wait_for_function(FINISHED)


def test_exported_html_slides_without_kernel_and_network(hands, lab, page, look):
    save(lab)
    page.context.set_offline(True)
    page.goto(export_html(lab.path).as_uri())
    slide({name: Hand(page, page.locator(".aoq").nth(i)) for i, name in enumerate(hands)}, drag=True)
    look(page, "exported")
    assert page.troubles == []


def slide(hands, drag=False):
    for name, hand in hands.items():
        hand.root.locator(".readouts b").first.wait_for()
        before, slider = hand.pictures(), hand.sliders()[0]
        (hand.by_mouse if drag else hand.by_keyboard)(slider)
        hand.changed(before, name)
        assert hand.root.locator(".export").is_hidden()


def ids(page):
    """What each live explorer's outputs are known by."""
    return page.locator("[data-aoq-live]").evaluate_all("nodes => nodes.map(node => node.dataset.aoqLive)")


def save(page):
    """Saves the notebook with the explorers that are seen."""
    page.keyboard.press("Control+s")
    for _ in range(PATIENCE // 100):
        if all(f'data-aoq-page=\\"{one}' in page.path.read_text() for one in ids(page)):
            return
        time.sleep(0.1)
    raise AssertionError("the notebook was not saved")


def test_no_script_but_the_explorers_runs_in_an_exported_page(page, tmp_path):
    evil = "<script>ran = 1</script><img src=x onerror='ran = 2'><a href='javascript:ran = 3'>go</a>"
    explorer = landscape()
    shown = [{"text/html": explorer.static_html()}, {"text/html": evil}, {"text/markdown": evil}]
    outputs = [nbformat.v4.new_output("display_data", data=data) for data in shown]
    cells = [nbformat.v4.new_markdown_cell(evil), nbformat.v4.new_code_cell("1", outputs=outputs)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "own.ipynb")
    page.goto(export_html(tmp_path / "own.ipynb").as_uri())
    hand = Hand(page, page.locator(".aoq"))
    hand.root.locator(".readouts b").first.wait_for()
    before = hand.pictures()
    hand.press(hand.sliders()[0], "ArrowLeft", 3)
    hand.changed(before, "a slider")
    for link in page.get_by_text("go", exact=True).all():
        link.click()
    page.wait_for_timeout(300)
    assert page.evaluate("window.ran") is None
    assert page.troubles and all("Content Security Policy" in trouble for trouble in page.troubles)
