"""The live view of a training, without a browser: what is drawn, what the menus and the button do."""

from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure

from aoqlab.lab import methods
from aoqlab.lab.explorers import live
from aoqlab.lab.explorers.live import LiveTraining, draw_training, layer_weights, numbers, stage_spans
from aoqlab.lab.training import TrainConfig
from aoqlab.quantizers import AOQ, LSQ, StatsQ

mpl.use("Agg")
BASE = TrainConfig(arch="digits_cnn", epochs=2, start_epochs=1, batch_size=256)


@pytest.fixture(scope="module")
def trained():
    """LSQ, then AOQ from the same start; with every picture's newest moment."""
    view, seen = LiveTraining(BASE, size=(6, 3)), []
    redraw = view.picture.redraw

    def follow():
        redraw()
        seen.append((view._moments[-1], view.status.value, view.button.disabled))

    view.picture.redraw = follow
    for method in ("lsq", "aoq"):
        view.method.value = method
        view.run()
    return view, seen


def drawn(moment, layer="conv2", before=None):
    figure = Figure(figsize=(11, 5.4), layout="none")
    text = draw_training(figure, moment, layer, before)
    figure.canvas.draw()
    return figure, text


def test_the_picture_is_drawn_after_every_epoch(trained):
    view, seen = trained
    assert [len(moment.metrics) - 1 for moment, *_ in seen] == [1, 2, 1, 2]
    assert [moment.method for moment, *_ in seen] == ["lsq", "lsq", "aoq", "aoq"]
    assert all("training" in status and disabled for _, status, disabled in seen)
    assert not view.button.disabled
    assert bytes(view.picture.image.value).startswith(b"\x89PNG")


def test_what_is_drawn_is_what_was_measured(trained):
    view, seen = trained
    moment, metrics = seen[-1][0], view.results[-1].tables["metrics"]
    for column in live.MEASURES:
        assert np.array_equal(moment.metrics[column][1:], metrics[column])
    figure, text = drawn(moment)
    titles = [ax.get_title(loc="left") for ax in figure.axes if ax.get_title(loc="left")]
    assert titles == [*live.MEASURES.values(), "conv2: weights", "conv2: intervals", "conv2: levels"]
    for ax, column in zip(figure.axes, live.MEASURES, strict=False):
        line = next(line for line in ax.lines if (line.get_gid() or "").startswith("mean-"))
        assert np.array_equal(line.get_ydata(), moment.metrics[column].dropna())
    assert f"test accuracy {metrics['test_accuracy'].iloc[-1]:.1%}" in text == numbers(moment)


def test_before_the_first_step_nothing_was_crossed(trained):
    first = trained[1][0][0].metrics.iloc[0]
    assert (first["epoch"], first["oscillating_share"], first["explored_volume"]) == (0, 0, 0)
    assert np.isnan(first["test_accuracy"]) and np.isnan(first["train_loss"])


def test_an_earlier_training_is_drawn_behind(trained):
    before, now = trained[1][1][0], trained[1][3][0]
    names = [text.get_text() for text in drawn(now, before=before)[0].legends[0].get_texts()]
    assert names == ["AOQ, 2 bits, digits_cnn, seed 0", "LSQ, 2 bits, digits_cnn, seed 0", "full precision"]
    same = replace(now, label="another seed")
    colors = {line.get_gid(): line.get_color() for line in drawn(now, before=same)[0].axes[0].lines}
    assert len(set(colors.values())) == 2, "two trainings of one method look alike"


def test_a_layer_that_is_not_quantized_is_refused(trained):
    with pytest.raises(ValueError, match=r"conv2, conv3, got 'conv1'"):
        drawn(trained[1][0][0], "conv1")


def test_the_stages_match_the_schedule():
    spans = stage_spans(methods.get("aoq"), 30)
    assert [name for *_, name in spans] == ["shrink", "widen", "dampen"]
    assert np.array([span[:2] for span in spans]) == pytest.approx(np.array([[0, 6], [6, 18], [18, 30]]))
    assert stage_spans(methods.get("lsq"), 30) == []


def test_all_weights_are_counted_beside_both_intervals():
    w = torch.randn(8, 3, 3, generator=torch.Generator().manual_seed(0))
    aoq = AOQ(3).init_from(w)
    aoq.level_interval.data.mul_(2)
    found = layer_weights(w, aoq)
    assert found.counts.sum() == w.numel() and not found.per_channel
    assert found.level_interval == pytest.approx(2 * found.threshold_interval)
    assert layer_weights(w, LSQ(2).init_from(w)).levels.shape == (4,)


def test_channels_are_put_on_one_scale():
    w = torch.randn(4, 50, generator=torch.Generator().manual_seed(0)) * torch.tensor([[1.0], [2.0], [4.0], [8.0]])
    quantizer = StatsQ(2).init_from(w)
    found = layer_weights(w, quantizer)
    assert found.per_channel and found.levels == pytest.approx([-1.5, -0.5, 0.5, 1.5])
    inside = (quantizer.encode(w) == 3).sum()
    assert inside == ((w / quantizer.levels().diff()[:, :1]) >= found.thresholds[-1]).sum()
    assert found.level_interval == pytest.approx(float(quantizer.levels().diff().mean()))


def test_the_summary_has_a_row_for_each_training(trained):
    view = trained[0]
    table = view.summary()
    assert table["method"].tolist() == ["lsq", "aoq"]
    assert table["accuracy"].tolist() == [one.result["accuracy"] for one in view.results]
    assert table["accuracy_start"].nunique() == 1, "both began from the same network"
    mean = view.results[0].tables["metrics"]["oscillating_share"].mean()
    assert table["oscillating_share_mean"][0] == pytest.approx(mean)
    assert isinstance(LiveTraining(BASE).summary(), pd.DataFrame)


def test_the_menus_say_what_is_trained_next():
    view = LiveTraining(BASE)
    view.method.value, view.bits.value, view.seed.value, view.network.value = "lsq+freeze", 4, 3, "resnet20"
    chosen = view.chosen()
    assert (chosen.method, chosen.bits, chosen.seed, chosen.arch) == ("lsq+freeze", 4, 3, "resnet20")
    assert (chosen.epochs, chosen.start_epochs) == (BASE.epochs, BASE.start_epochs)
    assert "fp32" not in [value for _, value in view.method.options], "nothing to watch in full precision"
    menus = (view.network, view.method, view.bits, view.seed, view.layer)
    assert all(menu.description for menu in menus)


def test_choosing_a_layer_redraws(trained):
    view = trained[0]
    assert view.layer.options == ("conv2", "conv3")
    view.layer.value = "conv2"
    first = view.picture.image.value
    view.layer.value = "conv3"
    assert view.picture.image.value != first


def test_an_error_after_a_click_is_shown_and_leaves_the_last_training(trained, monkeypatch):
    view = trained[0]
    picture = view.picture.image.value

    def diverge(*_, **__):
        raise FloatingPointError("the loss is <nan>")

    monkeypatch.setattr(live, "train", diverge)
    view.button.click()
    assert "not trained to the end: the loss is &lt;nan&gt;" in view.status.value and "alert" in view.status.value
    assert not view.button.disabled and len(view.results) == 2
    assert view.picture.image.value == picture
    with pytest.raises(FloatingPointError):
        view.run()
