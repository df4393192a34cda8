"""The run explorer without a browser: the courses it reads, which runs it offers, its table, picture and sentences."""

import dataclasses
import inspect
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from aoqlab.lab.explorers.run_explorer.courses import OSCILLATING_ABOVE, WHOLE, course_of
from aoqlab.lab.explorers.run_explorer.explorer import NONE, runs
from aoqlab.lab.explorers.run_explorer.sources import brief_titles, sources
from aoqlab.lab.plots import use_style
from aoqlab.lab.training import TrainConfig, train
from aoqlab.lab.training import stored as stored
from aoqlab.tracker import OscillationTracker

SAMPLES = stored.recorded_dir()
LSQ, AOQ = "resnet20-digits-lsq-2bit-seed0", "resnet20-digits-aoq-2bit-seed0"


@pytest.fixture(autouse=True)
def without_own_runs(tmp_path_factory, monkeypatch):
    """Offer the committed samples alone, whatever was trained in this checkout."""
    root = tmp_path_factory.mktemp("checkout")
    (root / "data").mkdir()
    (root / "data" / "recorded").symlink_to(SAMPLES)
    monkeypatch.setenv("AOQLAB_ROOT", str(root))


@pytest.fixture
def recording():
    return stored.load(folder=SAMPLES)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A project with a quantized run of one's own, its start in full precision, and one that has done nothing yet."""
    root = tmp_path_factory.mktemp("project")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AOQLAB_ROOT", str(root))
        quick = {"arch": "digits_cnn", "epochs": 2, "start_epochs": 1, "device": "cpu", "threads": 1, "seed": 0}
        done = train(TrainConfig(name="done", **quick), quiet=True)
    torch.set_num_threads(threads)
    waiting = root / "data" / "runs" / "waiting"
    waiting.mkdir()
    (waiting / "config.json").write_text((done.folder / "config.json").read_text())
    return root, done


@pytest.fixture
def project(trained, monkeypatch):
    monkeypatch.setenv("AOQLAB_ROOT", str(trained[0]))
    return trained[1]


def test_a_course_agrees_with_the_tables_at_every_epoch(recording):
    course, row = course_of(sources()[0][AOQ]), 7
    layer = course.layers[row]
    own = {
        name: table[(table["run"] == AOQ) & (table["layer"] == layer)]
        for name, table in recording.items()
        if name in ("history", "levels", "intervals")
    }
    history = own["history"].set_index("step")
    ends = [0, *recording["metrics"].query("run == @AOQ")["step"]]
    for epoch, end in enumerate(ends):
        step = course.steps[epoch]
        assert step <= end and not history.index[(history.index > step) & (history.index <= end)].size
        assert course.oscillating[row, epoch] == pytest.approx(history.loc[step, "oscillating_share"])
        assert course.crossed[row, epoch] == pytest.approx(
            history.loc[step, "crossings"] / history.loc[step, "weights"]
        )
        shares = own["levels"].query("step == @step").sort_values("level")["share"]
        np.testing.assert_allclose(course.shares[row, epoch], shares, rtol=1e-6)
    np.testing.assert_allclose(course.intervals[row, 1:], own["intervals"].sort_values("epoch")["interval"])
    assert np.isnan(course.intervals[row, 0])


def test_rates_add_up_to_the_crossings(recording):
    course = course_of(sources()[0][LSQ])
    assert np.isnan(course.rate[:, 0]).all()
    np.testing.assert_allclose((course.rate[:, 1:] * np.diff(course.steps)).sum(1), course.crossed[:, -1], rtol=1e-6)


def test_the_whole_network_is_what_the_metrics_say(recording):
    course = course_of(sources()[0][LSQ])
    last = recording["metrics"].query("run == @LSQ").iloc[-1]
    assert course.layers[0] == WHOLE and course.weights[0] == course.weights[1:].sum()
    assert course.oscillating[0, -1] == pytest.approx(last["oscillating_share"], rel=1e-5)
    assert course.crossed[0, -1] * course.weights[0] == pytest.approx(last["crossings"])
    assert course.accuracy[-1] == last["test_accuracy"]
    np.testing.assert_allclose(course.shares.sum(2), 1)


def test_stages_part_the_epochs(recording):
    offered = sources()[0]
    stages = course_of(offered[AOQ]).stages
    assert [name for *_, name in stages] == ["shrink", "widen", "dampen"]
    assert [start for start, *_ in stages] == [0, *(end for _, end, _ in stages[:-1])] and stages[-1][1] == 30
    assert course_of(offered[LSQ]).stages == []


def reading(source, folder):
    """The source with the tables of another folder."""

    def table(name):
        file = folder / f"{name}.parquet"
        return pd.read_parquet(file) if file.is_file() else pd.DataFrame()

    return dataclasses.replace(source, table=table)


def test_where_epochs_have_no_record_of_their_own_the_rate_is_that_of_the_last_record(project, tmp_path):
    history = pd.read_parquet(project.folder / "history.parquet")
    for file in set(project.folder.glob("*.parquet")) - {project.folder / "transitions.parquet"}:
        frame = pd.read_parquet(file)
        kept = frame[frame["step"].isin([0, 21])] if file.stem in ("history", "levels") else frame
        kept.to_parquet(tmp_path / file.name)
    source = sources(samples=False)[0]["done"]
    course = course_of(reading(source, tmp_path))
    at = history.query("step == 21")
    assert course.steps.tolist() == [0, 21, 21]
    np.testing.assert_allclose(course.rate[1:, 1], at["crossings"] / at["weights"] / 21)
    np.testing.assert_array_equal(course.rate[:, 1], course.rate[:, 2])
    assert course.transitions is None


def test_rates_are_per_optimizer_step_where_codes_were_looked_at_more_seldom(project):
    source = sources(samples=False)[0]["done"]
    often = course_of(source)

    def seldom(name):
        frame = source.table(name)
        if name not in ("history", "levels"):
            return frame
        return frame[frame["step"] % 3 == 0].assign(step=frame["step"] // 3)

    course = course_of(dataclasses.replace(source, settings={**source.settings, "track_every": 3}, table=seldom))
    assert course.steps.tolist() == often.steps.tolist() == [0, 21, 42]
    np.testing.assert_allclose(course.rate, often.rate)
    assert (often.message()["every"], course.message()["every"]) == (1, 3)


@pytest.fixture
def moved(project, tmp_path):
    """A copy of the run's folder to take tables from, and the run as it reads there."""
    folder = Path(shutil.copytree(project.folder, tmp_path / "done"))
    return folder, lambda: course_of(reading(sources(samples=False)[0]["done"], folder))


def of_every_epoch(course, layers):
    """(L, E + 1, n, n)."""
    epochs = range(course.epochs + 1)
    return np.array([[course.moves(layer, epoch) for epoch in epochs] for layer in range(layers)])


def test_transitions_lead_from_the_levels_of_an_epoch_to_the_next_ones(moved):
    course = moved[1]()
    found = of_every_epoch(course, 3)
    assert found.shape == (3, 3, 4, 4) and not found[:, 0].any() and found[:, 1:].any((2, 3)).all()
    went = (found.sum(2) - found.sum(3)).cumsum(1) / course.weights[:, None, None]
    np.testing.assert_allclose(course.shares - course.shares[:, :1], went, atol=1e-12)
    np.testing.assert_array_equal(found[0], found[1:].sum(0))


def test_transitions_match_the_table_and_cross_what_the_history_says(moved):
    folder, read = moved
    course, table = read(), pd.read_parquet(folder / "transitions.parquet")
    found = of_every_epoch(course, 3)
    rows = table["layer"].map(course.layers.index)
    np.testing.assert_array_equal(found[rows, table["epoch"], table["from"], table["to"]], table["count"])
    assert np.count_nonzero(found[1:]) == len(table)
    crossed = (found * np.abs(np.subtract.outer(range(4), range(4)))).sum((2, 3)).cumsum(1)
    np.testing.assert_allclose(crossed, course.crossed * course.weights[:, None])
    for layer in range(3):
        assert sorted(course.ever_moved(layer)) == sorted(found[layer][found[layer] > 0])


def test_of_an_epoch_that_is_not_over_there_is_no_map_yet(moved):
    folder, read = moved
    file, whole = folder / "transitions.parquet", read().transitions
    table = pd.read_parquet(file)
    pd.concat([table, table[table["epoch"] == 2].assign(epoch=3)]).to_parquet(file)
    for name in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(read().transitions, name), getattr(whole, name))


def test_a_table_without_epochs_is_not_shown(moved):
    folder, read = moved
    file = folder / "transitions.parquet"
    pd.read_parquet(file).drop(columns="epoch").to_parquet(file)
    assert read().transitions is None


def test_a_run_in_which_nothing_moved_has_a_map_of_nothing(moved):
    folder, read = moved
    for name, column in (("history", "crossings"), ("transitions", "count")):
        frame = pd.read_parquet(folder / f"{name}.parquet")
        still = frame.iloc[:0] if name == "transitions" else frame.assign(**{column: 0.0})
        still.to_parquet(folder / f"{name}.parquet")
    assert not of_every_epoch(read(), 3).any()


def test_a_sample_draws_what_its_run_does(project):
    own = course_of(sources(samples=False)[0]["done"])
    (folder,) = stored.pack(["done"])
    try:
        course = course_of(sources()[0]["recorded/done"])
        for name in ("weights", "steps", "shares", "oscillating", "rate", "crossed", "intervals", "accuracy"):
            np.testing.assert_allclose(getattr(course, name), getattr(own, name), rtol=1e-5, err_msg=name)
        assert (course.layers, course.stages, course.every) == (own.layers, own.stages, own.every)
        for name in ("indptr", "indices", "data"):
            np.testing.assert_array_equal(getattr(course.transitions, name), getattr(own.transitions, name))
        explorer = runs("done")
        assert "done" in explorer.offered and "recorded/done" in explorer.offered
        assert explorer.data["offered"]["done"]["title"] == "done: AOQ, 2 bits, digits_cnn on digits, seed 0"
        assert explorer.data["offered"]["recorded/done"]["title"] == "AOQ, 2 bits, digits_cnn on digits, seed 0"
    finally:
        shutil.rmtree(folder.parent)


def test_the_message_carries_the_numbers_of_the_course(recording):
    explorer = runs(LSQ)
    course, message = explorer.course(LSQ), explorer.data["runs"][LSQ]
    shares = np.frombuffer(message["shares"], "<f4").reshape(course.shares.shape)
    np.testing.assert_allclose(shares, course.shares, rtol=1e-6)
    assert message["layers"] == course.layers and message["steps"] == course.steps.tolist()


def test_two_trainings_of_a_network_of_20_layers_are_less_than_200_kilobytes(recording):
    messages = runs().data["runs"].values()
    assert sum(len(value) for message in messages for value in message.values() if isinstance(value, bytes)) < 200_000


def test_by_default_lsq_and_aoq_of_the_same_seed_are_side_by_side(recording):
    explorer = runs()
    assert [explorer.state[name] for name in ("first", "second")] == [LSQ, AOQ]
    assert explorer.value("epoch") == 30


def test_one_run_alone_is_shown_and_of_many_all_are_embedded(recording):
    alone = runs(LSQ)
    assert alone.state["second"] == NONE and list(alone.data["runs"]) == [LSQ]
    third = "resnet20-digits-n2uq-2bit-seed0"
    many = runs([LSQ, AOQ, third])
    assert list(many.data["runs"]) == [LSQ, AOQ, third] and many.state["second"] == AOQ
    assert third in many.static_html()


def test_full_precision_is_not_offered_and_said_to_have_no_codes(recording):
    offered, without = sources()
    assert len(offered) == 14 and len(without) == 1
    with pytest.raises(ValueError, match=r"full precision, so there are no codes to follow"):
        runs(without[0])


def test_what_is_not_there_is_one_sentence(recording, project):
    with pytest.raises(FileNotFoundError, match=r"no run 'nobody'; there are: done"):
        runs("nobody")
    with pytest.raises(ValueError, match="the run 'waiting' has no history of its codes: its first epoch is not over"):
        runs("waiting", samples=False)
    with pytest.raises(ValueError, match="names is empty"):
        runs([], samples=False)


def test_where_there_are_no_runs_a_sentence_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("AOQLAB_ROOT", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="no quantized runs to show yet"):
        runs()


def test_an_unknown_layer_or_run_in_the_state_is_one_sentence(recording):
    explorer = runs()
    with pytest.raises(ValueError, match="layer must be one of"):
        explorer.set(layer="conv99")
    with pytest.raises(ValueError, match="second must be one of"):
        explorer.set(second="nobody")
    with pytest.raises(ValueError, match="there is no run 'nobody'"):
        explorer.answer_run(explorer.state, "nobody")


def test_another_run_brings_its_layers_into_the_menu(project):
    place = stored.recorded_dir()
    place.symlink_to(SAMPLES)
    try:
        explorer = runs("done")
        assert explorer.state["layer"] in ("conv2", "conv3") and AOQ in explorer.offered
        answer = explorer.answer_run(explorer.state, AOQ)
        assert answer["layers"] == explorer.course(AOQ).layers
        explorer.set(second=AOQ, layer="layer1.0.conv1")
        assert explorer.checked(explorer.state)["layer"] == "layer1.0.conv1"
        with use_style():
            explorer.figure(explorer.state)
        explorer.set(second=NONE)
        with pytest.raises(ValueError, match=r"neither of the runs has the layer 'layer1.0.conv1'"):
            explorer.figure(explorer.state)
    finally:
        place.unlink()


@pytest.mark.parametrize(
    "names", [[LSQ, AOQ], [AOQ, "resnet20-cifar-small-aoq-2bit-seed0"], ["resnet20-digits-n2uq-2bit-seed0"]]
)
@pytest.mark.parametrize("layer", [WHOLE, "layer2.0.conv1"])
def test_the_picture_has_every_run_and_the_epoch(recording, names, layer):
    explorer = runs(names)
    explorer.set(layer=layer, epoch=7)
    with use_style():
        figure = explorer.figure(explorer.state)
        figure.draw_without_rendering()
    box = figure.subfigs[0]
    bars = [patch for patch in box.axes[0].patches if patch.get_width() > 0]
    assert len(bars) == 4 * len(names) and len({bar.get_facecolor() for bar in bars}) == len(names)
    titles = brief_titles([explorer.offered[name] for name in names])
    for ax in (*box.axes[2:4], *figure.subfigs[1].axes):
        assert {line.get_gid() for line in ax.lines} >= {f"mean-{title}" for title in titles} | {"epoch"}
    meshes = [ax.collections[0] for ax in figure.subfigs[2].axes if ax.get_ylabel() == "from code"]
    assert len(meshes) == len(names) and len({(mesh.norm.vmin, mesh.norm.vmax) for mesh in meshes}) == 1


def test_an_own_run_is_drawn_with_its_transitions(project):
    explorer = runs("done", samples=False)
    with use_style():
        figure = explorer.figure(explorer.state)
    assert len(figure.subfigs) == 3 and "epoch 2" in figure.subfigs[2].axes[0].get_title()


def test_export_records_what_is_seen(recording):
    explorer = runs()
    written = explorer.answer_export(explorer.state, "seen", readouts=["step size: 0.01: LSQ"])["json"]
    record = json.loads(written)
    assert record["parameters"]["runs"] == [LSQ, AOQ] and record["parameters"]["epoch"] == 30
    assert record["seeds"] == [0, 0] and len(record["data"]) == 2 * 5
    assert record["parameters"]["layer"] == explorer.state["layer"]
    assert record["parameters"]["readouts"] == ["step size: 0.01: LSQ"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([LSQ, AOQ], ["LSQ", "AOQ"]),
        ([LSQ], ["LSQ"]),
        ([AOQ, "resnet20-cifar-small-aoq-2bit-seed0"], ["resnet20 on digits", "resnet20 on cifar-small"]),
        ([AOQ, AOQ], [f"{AOQ}: AOQ, 2 bits, resnet20 on digits, seed 0"] * 2),
    ],
)
def test_runs_are_told_apart_in_few_words(recording, names, expected):
    offered = sources()[0]
    assert brief_titles([offered[name] for name in names]) == expected


def test_a_weight_oscillates_from_where_the_tracker_says(recording):
    assert inspect.signature(OscillationTracker).parameters["oscillating_above"].default == OSCILLATING_ABOVE


def test_the_state_is_that_of_the_exported_page(recording):
    explorer = runs()
    explorer.set(epoch=3, layer="layer1.0.conv1")
    assert '"epoch": 3' in explorer.static_html() and '"layer": "layer1.0.conv1"' in explorer.static_html()
