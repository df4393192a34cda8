"""The base of explorers without a browser: state, questions, export, the page that needs no kernel."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from matplotlib.figure import Figure
from traitlets import TraitError

from aoqlab.lab.explorers import Check, Explorer, Menu, Slider, export_html
from aoqlab.lab.explorers.base import packed
from aoqlab.lab.shared.notebooks import without_widgets


class Waves(Explorer):
    """As in the module's docstring."""

    script = Path(__file__).with_name("waves.js")

    def __init__(self, data=None):
        controls = [
            Slider("frequency", "frequency f", [1, 2, 4, 8], shown="{:g} Hz".format, start=1),
            Menu("shape", "shape", {"sine": "sine", "saw": "saw tooth"}),
            Check("dotted", "dotted"),
        ]
        super().__init__("Waves <&>", controls, data=data or {"phase": packed([0.5])}, extra={"seen": None})

    def figure(self, state):
        figure = Figure(figsize=(2, 1))
        figure.subplots().plot([0, self.value("frequency", state)])
        return figure

    def answer_energy(self, state, power=2):
        if power > 9:
            raise ValueError("too much")
        return {"energy": self.value("frequency", state) ** power, "raw": b"\x01"}


@pytest.fixture
def waves(monkeypatch, tmp_path):
    monkeypatch.setenv("AOQLAB_ROOT", str(tmp_path))
    explorer = Waves()
    explorer.sent = []
    monkeypatch.setattr(
        type(explorer), "send", lambda self, content, buffers=None: self.sent.append((content, buffers))
    )
    return explorer


def ask(explorer, kind, state=None, **payload):
    explorer._asked(None, {"number": 1, "ask": kind, "state": state or explorer.state, "payload": payload}, [])
    return explorer.sent.pop()


def test_the_state_begins_where_the_controls_say(waves):
    assert waves.state == {"frequency": 1, "shape": "sine", "dotted": False, "seen": None}
    assert waves.value("frequency") == 2


def test_a_state_goes_to_json_and_back(waves):
    waves.set(frequency=8, shape="saw", dotted=True)
    whole = json.loads(json.dumps(waves.state))
    other = Waves()
    other.state = whole
    assert other.state == waves.state == {"frequency": 3, "shape": "saw", "dotted": True, "seen": None}


def test_set_goes_to_the_nearest_stop_and_names_what_there_is_not(waves):
    waves.set(frequency=3.9)
    assert waves.value("frequency") == 4
    with pytest.raises(ValueError, match="no control 'volume'; there are frequency, shape, dotted"):
        waves.set(volume=3)
    with pytest.raises(ValueError, match=r"shape must be one of \['sine', 'saw'\], got 'square'"):
        waves.set(shape="square")


def test_a_slider_whose_stops_are_no_numbers_is_set_by_stop_or_by_index():
    slider = Slider("moment", "moment", [None, {"progress": 0.0}, {"progress": 1.0}])
    assert slider.meant({"progress": 1.0}) == slider.meant(2) == 2 and slider.meant(None) == 0
    for wrong in (3, 0.5, {"progress": 0.7}):
        with pytest.raises(ValueError, match=r"moment (must be|has the stops)"):
            slider.meant(wrong)


@pytest.mark.parametrize(
    "wrong",
    [{"frequency": 4}, {"frequency": -1}, {"frequency": 1.5}, {"frequency": True}, {"shape": 3}, {"dotted": 1}],
)
def test_a_state_that_no_control_has_is_refused_and_the_old_one_stays(waves, wrong):
    before = dict(waves.state)
    with pytest.raises((ValueError, TraitError)):
        waves.state = before | wrong
    assert waves.state == before
    content, _ = ask(waves, "energy", state=before | wrong)
    assert "error" in content and "answer" not in content


def test_questions_are_answered_with_numbers_and_bytes(waves):
    content, buffers = ask(waves, "energy", power=3)
    assert content == {"number": 1, "answer": {"energy": 8}, "names": ["raw"]} and buffers == [b"\x01"]


@pytest.mark.parametrize(("kind", "payload"), [("energy", {"power": 10}), ("nothing", {}), ("energy", {"volume": 1})])
def test_an_error_becomes_a_sentence(waves, kind, payload):
    content, _ = ask(waves, kind, **payload)
    assert isinstance(content["error"], str) and content["error"]


def test_export_writes_pictures_and_record_and_sends_them(waves, tmp_path):
    content, buffers = ask(waves, "export", name="waves", readouts=["period: 0.5 s"])
    files = content["answer"]["files"]
    assert files == {form: f"figures/waves.{form}" for form in ("png", "svg", "pdf", "json")}
    assert [(tmp_path / files[form]).read_bytes() for form in content["names"]] == buffers
    record = json.loads((tmp_path / "figures" / "waves.json").read_text())
    assert record["parameters"] == {
        "frequency": 2,
        "shape": "sine",
        "dotted": False,
        "readouts": ["period: 0.5 s"],
    }


def test_export_never_overwrites_unless_told_to(waves, tmp_path):
    ask(waves, "export", name="waves")
    (tmp_path / "figures" / "waves-2.pdf").write_bytes(b"mine")
    before = {path.name: path.read_bytes() for path in (tmp_path / "figures").iterdir()}
    waves.set(frequency=8)
    content, _ = ask(waves, "export", name="waves")
    assert content["answer"] == {"taken": "waves", "free": "waves-3"}
    assert {path.name: path.read_bytes() for path in (tmp_path / "figures").iterdir()} == before
    content, _ = ask(waves, "export", name="waves", replace=True)
    assert "files" in content["answer"]
    assert (tmp_path / "figures" / "waves.png").read_bytes() != before["waves.png"]
    assert (tmp_path / "figures" / "waves-2.pdf").read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["", "../out", "a/b", "x.png", "ö"])
def test_export_refuses_names_that_are_none(waves, tmp_path, name):
    content, _ = ask(waves, "export", name=name)
    assert "figure name" in content["error"]
    assert not list(tmp_path.rglob("*.png"))


def test_the_page_of_an_explorer_fetches_nothing_and_survives_its_own_data(waves):
    page = Waves({"words": "</script><script>alert(1)</script>", "n": 1}).static_html()
    assert page.count("</script>") == 1
    assert "Waves &lt;&amp;&gt;" in page
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", page)
    assert not re.search(r"\bimport\s*\(|\bfetch\s*\(|importScripts|XMLHttpRequest", page)


def test_displaying_gives_the_live_widget_and_the_page_as_two_outputs(waves, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.publish_display_data", lambda data, **more: shown.append((data, more)))
    waves._ipython_display_()
    (live, _), (page, more) = shown
    assert live["application/vnd.jupyter.widget-view+json"]["model_id"] == waves.model_id
    assert "text/html" not in live and waves._page in page["text/html"]
    assert more == {"transient": {"display_id": waves._page}}  # by which the page can be replaced


def test_an_exported_notebook_keeps_the_page_and_fetches_nothing(waves, tmp_path):
    output = nbformat.v4.new_output
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "a"}, "text/plain": "x"}
    outputs = [output("display_data", data=view), output("display_data", data={"text/html": waves.static_html()})]
    cells = [nbformat.v4.new_markdown_cell("# Title"), nbformat.v4.new_code_cell("waves", outputs=outputs)]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"widgets": {"x": {}}})
    nbformat.write(notebook, tmp_path / "waves.ipynb")
    target = export_html(tmp_path / "waves.ipynb")
    page = target.read_text()
    assert target == tmp_path / "waves.html"
    assert waves._page in page and "widget-view" not in page
    assert not re.findall(r"""<(?:script|link|img)[^>]+(?:src|href)=["'](?:https?:)?//[^"']*""", page)
    assert "widgets" not in without_widgets(notebook).metadata


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1, "1.00"),
        (-2.5, "−2.50"),
        (123456, "1.23\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}10⁵"),
        (0.00099, "9.90\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}10⁻⁴"),
        (99999, "99999"),
    ],
)
def test_numbers_are_printed_as_in_the_figures(javascript, value, text):
    assert javascript("return number(given)", value) == text


def test_ticks_are_round_and_inside(javascript):
    for low, high in ((0, 1), (-0.25, 0.25), (1e-9, 3e-9), (-5, 1000)):
        found = javascript("return ticks(given[0], given[1])", [low, high])
        assert 2 <= len(found) <= 12
        assert all(low - 1e-9 * (high - low) <= x <= high + 1e-9 * (high - low) for x in found)
    assert javascript("return ticks(1, 1)", None) == []


def test_a_slider_needs_stops():
    with pytest.raises(ValueError, match="needs stops"):
        Slider("a", "a", [])
