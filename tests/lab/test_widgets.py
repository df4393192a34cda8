"""The notebooks' widgets, without a browser: what a redrawn picture and a click do in the kernel."""

import pytest
from matplotlib.figure import Figure

from aoqlab.lab.explorers.widgets import FigureImage, export_button
from aoqlab.lab.plots.saving import load_figure_info


def line(figure, height=1.0):
    figure.add_subplot().plot([0, 1], [0, height])
    return f"height {height} < 9"


def test_the_picture_is_replaced_in_place():
    picture = FigureImage(line, size=(2, 1.5), dpi=50)
    picture.redraw(1.0)
    figure, image, first = picture.figure, picture.image, picture.image.value
    assert bytes(first).startswith(b"\x89PNG")
    picture.redraw(2.0)
    assert picture.figure is figure and picture.image is image
    assert image.tooltip is None, "ipywidgets' front end cannot show an Image that has one"
    assert picture.image.value != first
    assert len(figure.axes) == 1, "the figure was not cleared"
    picture.redraw(1.0)
    assert picture.image.value == first


def test_the_caption_is_text_not_markup():
    picture = FigureImage(line, size=(2, 1.5), dpi=50)
    picture.redraw(2.0)
    assert picture.caption.value == "height 2.0 &lt; 9"
    assert picture.widget.children == (picture.image, picture.caption)


def test_an_error_while_drawing_is_shown_and_raised():
    def draw(figure, height):
        if height < 0:
            raise ValueError("height < 0")
        return line(figure, height)

    picture = FigureImage(draw, size=(2, 1.5), dpi=50)
    picture.redraw(1.0)
    good = picture.image.value
    with pytest.raises(ValueError, match="height"):
        picture.redraw(-1.0)
    assert picture.image.value == good
    assert "not drawn" in picture.caption.value and "height &lt; 0" in picture.caption.value
    picture.redraw(1.0)
    assert "not drawn" not in picture.caption.value


def test_axes_stay_where_they_are_put():
    def draw(figure):
        figure.add_axes((0.2, 0.2, 0.5, 0.5)).plot([0, 1])

    picture = FigureImage(draw, size=(2, 2))
    picture.redraw()
    assert picture.figure.axes[0].get_position().bounds == pytest.approx((0.2, 0.2, 0.5, 0.5))


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


def test_what_is_not_known_before_is_asked_for_at_the_click(tmp_path):
    seen = []
    box = export_button(figure, lambda: f"at-{seen[-1]}", folder=tmp_path, parameters=lambda: {"epoch": seen[-1]})
    seen.append(3)
    box.children[0].click()
    assert load_figure_info("at-3", tmp_path)["parameters"] == {"epoch": 3}


def test_a_folder_that_cannot_be_written_gives_one_clear_line(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    button, status = export_button(figure, "curve", folder=blocked / "figures").children
    button.click()
    assert "not saved" in status.value and "file" in status.value
    assert "saved: " not in status.value
    assert not button.disabled


def test_a_failing_factory_is_reported_not_raised(tmp_path):
    def broken():
        raise RuntimeError("no data <yet>")

    button, status = export_button(broken, "curve", folder=tmp_path).children
    button.click()
    assert "no data &lt;yet&gt;" in status.value
    assert list(tmp_path.iterdir()) == []
