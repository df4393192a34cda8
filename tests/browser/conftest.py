"""One JupyterLab and one browser for all tests of this folder that a process runs; both end with its last test.

Package scope, because Playwright keeps an event loop running in the main thread as long as its browser is open: no
test after it could start another.
"""

import re
import shutil

import pytest

from .harness import (
    ARGUMENTS,
    FORMS,
    PATIENCE,
    ROOT,
    SHOTS,
    Hand,
    chromium_path,
    end_kernels,
    lacking,
    run_all,
    server,
    write_notebook,
)

FIRST = """\
import os, torch
from aoqlab.lab.explorers import intervals, landscape, runs, toy
print("kernel", os.getpid())
weights = torch.randn(1_000_000, generator=torch.Generator().manual_seed(0)) * 0.05
intervals(weights)
"""
CELLS = {
    "weights": FIRST,
    "intervals": 'intervals("digits_cnn")',
    "toy": "toy()",
    "landscape": "landscape()",
    "runs": "runs()",
}
REOPENED = "widget model not found"  # ipywidgets' own words about a notebook that no kernel knows any more


@pytest.fixture(scope="package")
def checkout(tmp_path_factory):
    """A project with the committed data, so that what notebooks and explorers write does not land in this one."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "notebooks").mkdir()
    (folder / "figures").mkdir()
    data = ROOT / "data"
    committed = ("*.safetensors", "results/toy-full*", "results/claims*", "recorded/*/*")
    for file in [file for pattern in committed for file in data.glob(pattern)]:
        copy = folder / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)
    return folder


@pytest.fixture(scope="package")
def jupyter(checkout):
    """JupyterLab on the checkout's notebooks: its ``url``, ``token`` and ``request(path, method)``."""
    with server("jupyterlab", checkout) as running:
        yield running


@pytest.fixture(scope="package")
def chromium():
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        lacking("playwright is not installed")
    path = chromium_path()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def new_page(chromium):
    """Opens pages that keep in ``troubles`` what went wrong in them."""

    def open_page(width=1400, height=1000):
        context = chromium.new_context(viewport={"width": width, "height": height}, accept_downloads=True)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.troubles = []
        page.on("console", lambda message: message.type == "error" and page.troubles.append(message.text))
        page.on("pageerror", lambda error: page.troubles.append(error.stack or str(error)))
        return page

    return open_page


@pytest.fixture
def page(new_page):
    page = new_page()
    yield page
    page.context.close()


@pytest.fixture
def notebook(jupyter, checkout, page):
    """Opens a notebook in JupyterLab, of the given cells or unchanged, and runs it; its kernel ends with the test."""
    opened = []

    def open_notebook(name, *cells):
        path = checkout / "notebooks" / f"{name}.ipynb"
        if cells:
            write_notebook(path, *cells)
        page.goto(f"{jupyter.url}lab/tree/{path.name}?reset&token={jupyter.token}")
        opened.append(path)
        run_all(page)
        return path

    yield open_notebook
    for path in opened:
        end_kernels(jupyter, path)


@pytest.fixture(scope="package")
def lab(jupyter, checkout, new_page):
    """A notebook of all explorers, run; its page, which has the ``path``."""
    path = checkout / "notebooks" / "explorers.ipynb"
    write_notebook(path, *CELLS.values())
    page = new_page()
    page.path = path
    page.goto(f"{jupyter.url}lab/tree/{path.name}?reset&token={jupyter.token}")
    run_all(page)
    yield page
    page.context.close()
    end_kernels(jupyter, path)


@pytest.fixture
def hands(lab):
    """Controls of each live explorer; at the end no error is in the console."""
    found = {name: Hand(lab, lab.locator("[data-aoq-live]").nth(i).locator(".aoq")) for i, name in enumerate(CELLS)}
    for hand in found.values():
        hand.root.locator(".readouts b").first.wait_for()
    lab.troubles.clear()
    yield found
    assert [trouble for trouble in lab.troubles if REOPENED not in trouble] == []


@pytest.fixture
def still(page, tmp_path):
    """Opens explorers as a page of their own, from disk and without a network; the controls of each."""

    def open_page(*explorers, **settings):
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

    return open_page


@pytest.fixture
def look():
    """Keeps a screenshot where people can look at it."""

    def keep(page, name):
        SHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SHOTS / f"{name}.png", full_page=True)

    return keep


@pytest.fixture
def exported(checkout):
    """Clicks Export and checks that the four files are there and linked; returns the picture's path."""

    def export(hand):
        field = hand.root.get_by_label("save as")
        field.focus()
        name = field.input_value()
        before = {file.name for file in (checkout / "figures").iterdir()}
        hand.button("^Export$").click()
        links = hand.root.locator(".export a")
        links.nth(len(FORMS) - 1).wait_for()
        assert links.all_inner_texts() == [f"figures/{name}.{form}" for form in FORMS]
        written = {file.name for file in (checkout / "figures").iterdir()} - before
        assert written == {f"{name}.{form}" for form in FORMS}
        size = "async url => (await (await fetch(url)).blob()).size"
        for link, form in zip(links.all(), FORMS, strict=True):
            file = checkout / "figures" / f"{name}.{form}"
            assert hand.page.evaluate(size, link.get_attribute("href")) == file.stat().st_size > 100
        return checkout / "figures" / f"{name}.png"

    return export


@pytest.fixture
def refused(exported, checkout):
    """Clicks Export where the name is taken: nothing is written before the user has chosen what."""

    def export(hand, name):
        files = {file: file.read_bytes() for file in (checkout / "figures").glob(f"{name}*")}
        hand.button("^Export$").click()
        hand.root.locator(".export").get_by_text(f"{name} is there already").wait_for()
        assert {file: file.read_bytes() for file in (checkout / "figures").glob(f"{name}*")} == files
        hand.button(f"^Save as {re.escape(name)}-2$").click()
        hand.root.locator(".export a").get_by_text(f"figures/{name}-2.png", exact=True).wait_for()
        assert {file: file.read_bytes() for file in files} == files
        return checkout / "figures" / f"{name}-2.png"

    return export
