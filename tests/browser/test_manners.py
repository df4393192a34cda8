"""Explorers whose kernel answers, fails, goes and comes back, in a page of their own: the model is the test's."""

import json
from types import SimpleNamespace

import pytest
import torch

from aoqlab.lab.explorers import intervals, toy
from aoqlab.lab.explorers.base.controls import portable
from aoqlab.lab.explorers.base.scripts import bundled
from aoqlab.lab.toy.regression import RegressionProblem

from .harness import Hand

PAGE = """<!DOCTYPE html><meta charset="utf-8"><link rel="icon" href="data:,"><body><div id="here"></div>
<script type="module">
%s
const given = %s;
window.drawn = 0;
const clear = CanvasRenderingContext2D.prototype.clearRect;
CanvasRenderingContext2D.prototype.clearRect = function (...all) { window.drawn += 1; return clear.apply(this, all); };
window.model = {
  ...given, here: true, saved: 0, get: (name) => model[name],
  save(state) { model.saved += 1; model.state = state; },
  onchange(name, act) {
    if (name === "state") model.moved = (state) => { model.state = state; act(state); };
    return () => {};
  },
  onlife(act) { model.live = (here) => { model.here = here; act(); }; return () => {}; },
  alive: () => model.here,
  async ask(kind, state, payload) {
    const answer = await window.kernel(kind, JSON.stringify(state), JSON.stringify(payload));
    if (answer.error) throw new Error(answer.error);
    return answer;
  },
};
mount(document.querySelector("#here"), model, explore);
</script>"""


@pytest.fixture
def backed(page, tmp_path):
    """Open an explorer whose questions this process answers: ``hand``, what was ``asked``, ``tell(what, value)``."""

    def open_page(explorer):
        asked = []

        def kernel(kind, state, payload):
            asked.append(kind)
            try:
                answer = getattr(explorer, f"answer_{kind}")(json.loads(state), **json.loads(payload))
                return json.loads(json.dumps(answer, default=portable))
            except Exception as error:
                return {"error": str(error)}

        names = ("state", "data", "_controls", "_title", "_page")
        given = {name: getattr(explorer, name) for name in names}
        inline = json.dumps(given, default=portable).replace("<", "\\u003c")
        page.expose_function("kernel", kernel)
        (tmp_path / "page.html").write_text(PAGE % (bundled(explorer.script), inline))
        page.goto((tmp_path / "page.html").as_uri())
        hand = Hand(page, page.locator(".aoq"))
        hand.root.locator(".readouts b, .say:not(:empty)").first.wait_for()
        tell = lambda what, value: page.evaluate(f"value => {{ model.{what}(value); }}", value)  # noqa: E731
        return SimpleNamespace(hand=hand, asked=asked, tell=tell, saved=lambda: page.evaluate("model.saved"))

    return open_page


def randn(n=1000, seed=0):
    return torch.randn(n, generator=torch.Generator().manual_seed(seed)) * 0.05


def two_layers():
    return intervals({"a.weight": randn((10, 100)), "b.weight": randn((20, 100), seed=1)}, layer="a")


def calm(page):
    """Whether nothing is drawn any more, once what was asked for is done; a busy machine may take longer."""
    for _ in range(20):
        before = page.evaluate("window.drawn")
        page.wait_for_timeout(500)
        if page.evaluate("window.drawn") == before:
            return True
    return False


def test_a_layer_that_cannot_come_is_asked_for_once_and_comes_with_the_kernel(backed, page, monkeypatch):
    explorer = two_layers()
    answer = explorer.answer_layer
    monkeypatch.setattr(explorer, "answer_layer", lambda state, layer: 1 / 0)
    it = backed(explorer)
    saved = it.saved()
    it.hand("layer").select_option("b")
    it.hand.root.locator(".say").get_by_text("Layer b: division by zero").wait_for()
    assert calm(page) and it.asked.count("layer") == 1
    assert it.saved() > saved, "the hand rested"
    assert it.hand.root.locator("canvas").first.get_attribute("aria-label").endswith("not here")
    it.hand("layer").select_option("a")
    it.hand.root.locator(".readouts b").first.wait_for()
    assert it.hand.root.locator(".say").inner_text() == ""
    it.hand("layer").select_option("b")  # chosen again, so asked for again
    it.hand.root.locator(".say").get_by_text("Layer b: division by zero").wait_for()
    assert it.asked.count("layer") == 2
    it.tell("live", False)
    monkeypatch.setattr(explorer, "answer_layer", answer)
    assert calm(page)
    it.tell("live", True)
    it.hand.root.locator(".readouts b").first.wait_for()
    assert page.troubles == []


def test_a_state_set_from_python_settles_at_once_and_once(backed, page):
    explorer = intervals(randn())
    it = backed(explorer)
    explorer.set(quantizer="lsq", bits=4, th=0.3)
    it.tell("moved", explorer.state)
    page.wait_for_function("model.state.le === model.state.th")
    assert it.hand("le").is_disabled() and it.hand("moment").is_disabled()
    assert it.hand("le").input_value() == it.hand("th").input_value() == str(explorer.state["th"])
    explorer.set(quantizer="aoq-mid-rise", moment=101)
    it.tell("moved", explorer.state)
    page.wait_for_function("model.state.alpha < 40")
    assert it.hand("alpha").get_attribute("aria-valuetext") == "0.30" and it.hand("le").is_disabled()
    assert calm(page)
    saved = it.saved()
    it.tell("moved", page.evaluate("model.state"))
    assert calm(page) and it.saved() == saved
    assert page.troubles == []


def test_the_links_of_the_export_before_are_given_up(backed, page, tmp_path, monkeypatch):
    monkeypatch.setenv("AOQLAB_ROOT", str(tmp_path))
    it = backed(intervals(randn()))
    links = it.hand.root.locator(".export a")
    there = "async url => { try { return (await fetch(url)).ok; } catch { return false; } }"
    it.hand.button("^Export$").click()
    links.nth(3).wait_for()
    first = links.first.get_attribute("href")
    assert page.evaluate(there, first)
    it.hand.press("bits")
    it.hand.button("^Export$").click()
    it.hand.root.locator(".export a").get_by_text("3bits.png").wait_for()
    assert not page.evaluate(there, first) and page.evaluate(there, links.first.get_attribute("href"))


def test_a_page_whose_output_is_replaced_ends_what_it_does(still, page):
    hand = still(intervals(randn()))
    hand.button("^Play").click()
    page.evaluate("""() => {
        window.gone = document.querySelector('[data-aoq-page]');
        window.slider = gone.querySelector('[data-name=moment] input');
        gone.remove();
    }""")
    page.wait_for_function("gone.childElementCount === 0")
    before = page.evaluate("slider.value")
    page.wait_for_timeout(300)
    assert page.evaluate("slider.value") == before


def test_what_is_switched_off_neither_plays_nor_steps(still, page):
    hand = still(intervals(randn()))
    hand.button("^Play").click()
    hand.button("^Pause").wait_for()
    hand("quantizer").select_option("lsq")
    hand.button("^Play").wait_for()
    assert hand.button("^Play").is_disabled() and hand.button("^Step").is_disabled()
    before = hand("moment").input_value()
    page.wait_for_timeout(300)
    assert hand("moment").input_value() == before
    hand("quantizer").select_option("aoq-mid-rise")
    hand.pictures()
    assert hand.button("^Play").is_enabled()
    assert page.troubles == []


def test_single_weights_are_live_where_that_was_asked_for_and_stored_elsewhere(backed, page):
    explorer = toy("toy-full", live=RegressionProblem(120, 20, 10, 20), seeds=(0, 1))
    it = backed(explorer)
    stored, live = (it.hand.root.locator("figcaption", has_text=words) for words in ("stored, seed 0", "live, seed 0"))
    stored.nth(3).wait_for()
    it.hand.press("lr")
    it.hand.button("^Run live$").click()
    live.nth(3).wait_for()
    assert stored.count() == 0
    page.wait_for_function("model.state.live")
    state = page.evaluate("model.state")
    assert explorer.shows_live(explorer.checked(state)) and not explorer.shows_live(explorer.state)
    it.hand.press("lr")
    stored.nth(3).wait_for()
    assert live.count() == 0 and it.asked.count("live") == 1
    assert page.troubles == []
