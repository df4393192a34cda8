"""The notebooks' widgets, without a browser: what a click or a moved slider does in the kernel."""

import ipywidgets
import pytest
from matplotlib.figure import Figure

from aoqlab.figures import load_figure_info
from aoqlab.widgets import FigureImage, export_button, grid_slider


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


def test_artists_can_be_kept_and_moved():
    def draw(figure, height):
        if not figure.axes:
            figure.add_subplot().plot([0, 1], [0, 1])
        figure.axes[0].lines[0].set_ydata([0, height])

    picture = FigureImage(draw, size=(2, 1.5), dpi=50, clear=False)
    picture.redraw(1.0)
    axes, first = picture.figure.axes[0], picture.image.value
    picture.redraw(0.5)
    assert picture.figure.axes[0] is axes
    assert picture.image.value != first


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


def test_axes_can_stay_where_they_are_put():
    def draw(figure):
        figure.add_axes((0.2, 0.2, 0.5, 0.5)).plot([0, 1])

    picture = FigureImage(draw, size=(2, 2), layout="none")
    picture.redraw()
    assert picture.figure.axes[0].get_position().bounds == pytest.approx((0.2, 0.2, 0.5, 0.5))


def test_the_slider_counts_stops_and_gives_the_values_unchanged():
    values = [0.05, 0.0333, 1.0]
    slider = grid_slider(values, label="learning rate", unit="per step", index=1)
    assert isinstance(slider.slider, ipywidgets.IntSlider)
    assert (slider.slider.min, slider.slider.max, slider.slider.step) == (0, 2, 1)
    assert slider.value == 0.0333
    assert slider.readout.value == "0.0333 per step"
    assert slider.slider.description == "learning rate"
    assert not slider.slider.readout, "the count itself would be read as the value"
    assert slider.slider in slider.widget.children and slider.readout in slider.widget.children


def test_the_slider_reports_values_after_its_text_is_up_to_date():
    seen = []
    slider = grid_slider([1, 2, 4], label="bits", show=str)
    slider.observe(lambda value: seen.append((value, slider.readout.value)))
    slider.slider.value = 2
    slider.slider.value = 0
    assert seen == [(4, "4"), (1, "1")]


@pytest.mark.parametrize(("values", "index"), [([], 0), ([1, 2], 2), ([1, 2], -1)])
def test_a_slider_without_its_stop_is_refused(values, index):
    with pytest.raises(ValueError, match="grid_slider needs values"):
        grid_slider(values, label="x", index=index)


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


def test_what_depends_on_a_slider_is_asked_for_at_the_click(tmp_path):
    slider = grid_slider([0.1, 0.2], label="shrink")
    box = export_button(
        figure, lambda: f"at-{slider.value}", folder=tmp_path, parameters=lambda: {"shrink": slider.value}
    )
    slider.slider.value = 1
    box.children[0].click()
    assert load_figure_info("at-0.2", tmp_path)["parameters"] == {"shrink": 0.2}


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
