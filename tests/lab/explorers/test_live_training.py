"""The explorer that trains, without a browser: what every epoch sends, what the form trains, what is left of errors."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from aoqlab.lab.explorers import training
from aoqlab.lab.explorers.base.controls import portable
from aoqlab.lab.explorers.run_explorer import live_training as module
from aoqlab.lab.explorers.run_explorer.courses import WHOLE
from aoqlab.lab.explorers.run_explorer.explorer import NONE
from aoqlab.lab.plots import use_style
from aoqlab.lab.training import TrainConfig
from aoqlab.lab.training import train as train_it
from aoqlab.lab.training.engine import Stopped

BASE = TrainConfig(arch="digits_cnn", epochs=2, start_epochs=1, batch_size=256)
LSQ, AOQ = "digits_cnn-digits-lsq-2bit-seed0", "digits_cnn-digits-aoq-2bit-seed0"


@pytest.fixture(scope="module")
def trained():
    """LSQ, then AOQ from the same start; with what was there after every epoch."""
    watched, seen = training(BASE), []
    offer = watched.offer

    def follow(*arguments, **moved):
        offer(*arguments, **moved)
        seen.append((dict(watched.state), watched.course(watched.state["first"]), dict(watched.progress)))

    watched.offer = follow
    for method in ("lsq", "aoq"):
        watched.train(method=method)
    return watched, seen


def test_before_any_training_the_samples_of_the_network_are_shown():
    watched = training(BASE)
    assert (watched.state["first"], watched.state["second"]) == (LSQ, AOQ)
    assert watched.progress == {"key": "", "running": False, "text": ""}
    assert len(watched.summary()) == 0


def test_without_samples_of_the_network_nothing_is_shown_yet():
    watched = training(dataclasses.replace(BASE, arch="resnet32"))
    assert (watched.state["first"], watched.state["layer"]) == (NONE, WHOLE)
    with pytest.raises(ValueError, match="neither of the runs"):
        watched.figure(watched.state)
    assert "aoq-page" in watched.static_html()


def test_every_epoch_is_drawn_at_its_end(trained):
    states, courses, progress = zip(*trained[1], strict=True)
    assert [course.epochs for course in courses] == [1, 2, 1, 2]
    assert [state["first"] for state in states] == ["training 1", "training 1", "training 2", "training 2"]
    assert [state["epoch"] for state in states] == [1, 2, 1, 2]
    assert all(one["running"] and one["key"] == state["first"] for one, state in zip(progress, states, strict=True))
    assert not trained[0].progress["running"] and "test accuracy" in trained[0].progress["text"]


def test_a_training_is_shown_with_the_run_before_it(trained):
    seconds = [state["second"] for state, *_ in trained[1]]
    assert seconds == [AOQ, AOQ, "training 1", "training 1"], "a sample with other settings, then the last training"


def test_what_is_drawn_is_what_was_measured(trained):
    watched = trained[0]
    course, tables = watched.course("training 2"), watched.results[-1].tables
    for name, column in (("accuracy", "test_accuracy"), ("loss", "train_loss"), ("volume", "explored_volume")):
        np.testing.assert_array_equal(getattr(course, name)[1:], tables["metrics"][column])
    assert np.isnan(course.accuracy[0]) and np.isnan(course.loss[0]) and course.volume[0] == 0
    assert course.start_accuracy == watched.results[-1].result["accuracy_start"]
    last = tables["history"][tables["history"]["step"] == tables["history"]["step"].max()].set_index("layer")
    for row, layer in enumerate(course.layers[1:], 1):
        assert course.oscillating[row, -1] == pytest.approx(last.loc[layer, "oscillating_share"])
    moved = tables["transitions"]["count"].sum()
    assert sum(course.moves(0, epoch).sum() for epoch in (1, 2)) == moved


def test_what_the_browser_gets_is_the_run_and_its_place_in_the_menus(trained):
    watched = trained[0]
    message = watched.data["runs"]["training 2"]
    assert message == watched.course("training 2").message()
    assert set(watched.data["runs"]) == {"training 1", "training 2"}, "only what is shown is sent again"
    assert watched.data["offered"]["training 2"]["label"] == "AOQ"
    assert watched.controls["second"].options["training 1"] == "training 1: LSQ, 2 bits, digits_cnn on digits, seed 0"
    assert list(watched.controls["layer"].options) == [WHOLE, "conv2", "conv3"]


def test_a_page_without_a_kernel_has_the_trainings(trained):
    page = trained[0].static_html()
    assert '"first": "training 2"' in page
    assert portable(trained[0].data["runs"]["training 1"]["loss"])["base64"] in page


def test_the_picture_for_print_has_both_trainings(trained):
    watched = trained[0]
    with use_style():
        figure = watched.figure(watched.state)
        figure.draw_without_rendering()
    accuracy, loss, _ = figure.subfigs[1].axes
    assert {"mean-AOQ", "mean-LSQ"} <= {line.get_gid() for line in loss.lines}
    assert [line.get_ydata()[0] for line in accuracy.lines if line.get_gid() == "start"] == [
        watched.results[0].result["accuracy_start"]
    ]
    assert watched.record(watched.state)["seeds"] == [0, 0]


def test_the_summary_has_a_row_for_each_training(trained):
    watched = trained[0]
    table = watched.summary()
    assert table["method"].tolist() == ["lsq", "aoq"]
    assert table["accuracy"].tolist() == [one.result["accuracy"] for one in watched.results]
    assert table["accuracy_start"].nunique() == 1, "both began from the same network"
    mean = watched.results[0].tables["metrics"]["oscillating_share"].mean()
    assert table["oscillating_share_mean"][0] == pytest.approx(mean)


def test_the_form_says_what_is_trained_next():
    watched = training(BASE)
    watched.set(method="lsq+freeze", bits="4", seed="3", network="resnet20")
    chosen = watched.chosen()
    assert (chosen.method, chosen.bits, chosen.seed, chosen.arch) == ("lsq+freeze", 4, 3, "resnet20")
    assert (chosen.epochs, chosen.start_epochs, chosen.threads) == (BASE.epochs, BASE.start_epochs, None)
    assert "fp32" not in watched.controls["method"].options, "there are no codes to watch in full precision"
    with pytest.raises(ValueError, match="bits must be one of"):
        watched.train(bits=9)


def test_the_button_trains_what_its_state_shows(trained, monkeypatch):
    asked = []
    monkeypatch.setattr(module, "train", lambda config, **_: asked.append(config) or 1 / 0)
    watched = trained[0]
    with pytest.raises(ZeroDivisionError):
        watched.answer_train({**watched.state, "method": "statsq", "seed": "1"})
    assert [config.method for config in asked] == ["fp32"], "the start of another seed comes first"
    assert asked[0].seed == 1 and watched.state["method"] == "statsq"
    assert watched.progress["text"].endswith("not trained to the end: division by zero")
    assert not watched.progress["running"]


@pytest.mark.parametrize("error", [Stopped("stopped at step 5"), FloatingPointError("the loss is nan")])
def test_what_was_measured_before_an_error_stays(monkeypatch, error):
    def fail(config, *, on_epoch, start=None, **kept):
        def once(row, trainer):
            on_epoch(row, trainer)
            if start is not None:
                raise error

        return train_it(config, start=start, on_epoch=once, **kept)

    monkeypatch.setattr(module, "train", fail)
    watched = training(BASE)
    if isinstance(error, Stopped):
        assert watched.answer_train(watched.state) == {}
    else:
        with pytest.raises(FloatingPointError):
            watched.answer_train(watched.state)
    assert watched.results == [] and watched.state["first"] == "training 1"
    assert watched.course("training 1").epochs == 1
    assert str(error) in watched.progress["text"] and not watched.progress["running"]
    assert isinstance(watched.summary(), pd.DataFrame)
