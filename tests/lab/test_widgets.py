"""The button that saves a figure, without a browser: what a click does in the kernel."""

from matplotlib.figure import Figure

from aoqlab.lab.explorers.widgets import export_button
from aoqlab.lab.plots.saving import load_figure_info


def line(figure, height=1.0):
    figure.add_subplot().plot([0, 1], [0, height])
    return f"height {height} < 9"


def figure():
    made = Figure(figsize=(2, 1.5))
    line(made)
    return made


def test_the_button_saves_the_figure_and_its_record(tmp_path):
    box = export_button(figure(), "curve", folder=tmp_path, parameters={"lr": 0.1}, seeds=[0])
    button, status = box.children
    assert button.description == "Export"
    button.click()
    assert {path.name for path in tmp_path.iterdir()} == {f"curve.{form}" for form in ("png", "svg", "pdf", "json")}
    assert load_figure_info("curve", tmp_path)["parameters"] == {"lr": 0.1}
    assert status.value.startswith("saved: ") and "curve.png" in status.value
    assert not button.disabled


def test_a_folder_that_cannot_be_written_gives_one_clear_line(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    button, status = export_button(figure(), "curve", folder=blocked / "figures").children
    button.click()
    assert "not saved" in status.value and "file" in status.value
    assert "saved: " not in status.value
    assert not button.disabled


def test_a_failing_figure_is_reported_not_raised(tmp_path, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("no data <yet>")

    made = figure()
    monkeypatch.setattr(made, "savefig", broken)
    button, status = export_button(made, "curve", folder=tmp_path).children
    button.click()
    assert "no data &lt;yet&gt;" in status.value
    assert list(tmp_path.iterdir()) == []
