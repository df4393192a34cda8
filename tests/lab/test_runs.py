"""Runs on the disk as tables, and what is recorded of them."""

import json

import pandas as pd
import pytest
import torch

from aoqlab.lab.shared.files import NotWrittenError
from aoqlab.lab.training import TrainConfig, train
from aoqlab.lab.training import stored as runs


@pytest.fixture(autouse=True)
def one_thread(threads):
    threads(1)


def config(**changes):
    quick = {"arch": "digits_cnn", "epochs": 2, "start_epochs": 1, "device": "cpu", "threads": 1}
    return TrainConfig(**{**quick, **changes})


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder of runs: a full-precision start, a finished run, one that stopped half-way, and foreign folders."""
    root = tmp_path_factory.mktemp("project")
    before = torch.get_num_threads()
    torch.set_num_threads(1)

    class Killed(Exception):
        """Stands for the end of the process."""

    def kill(row, trainer):
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AOQLAB_ROOT", str(root))
        done = train(config(name="done", seed=0, skip=("conv3",)), quiet=True)
        with pytest.raises(Killed):
            train(config(name="killed", method="lsq", epochs=3), quiet=True, on_epoch=kill)
    torch.set_num_threads(before)
    folder = root / "data" / "runs"
    foreign = {
        "transformer": '{"model_type": "bert"}',
        "damaged": '{"settings": {"ar',
        "listed": "[1, 2]",
        "half": '{"settings": {}}',
        ".new-0123": (folder / "done" / "config.json").read_text(),
    }
    for name, text in foreign.items():
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(text)
    (folder / "empty").mkdir()
    (folder / "notes.txt").touch()
    return root, done


@pytest.fixture
def project(trained, monkeypatch):
    monkeypatch.setenv("AOQLAB_ROOT", str(trained[0]))
    return trained[0]


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    monkeypatch.setenv("AOQLAB_ROOT", str(tmp_path))
    return tmp_path


def test_the_runs_are_named_in_the_order_they_were_begun_and_nothing_else_is(project):
    done, start, killed = runs.names()
    assert (done, killed) == ("done", "killed")
    assert start.startswith("start-digits_cnn-digits-")
    assert runs.names(project / "data" / "runs") == [done, start, killed]


def test_where_there_are_no_runs_all_tables_are_empty(fresh):
    assert runs.names() == []
    assert len(runs.overview()) == 0
    tables = runs.load()
    assert list(tables) == ["runs", *runs.TABLES]
    assert not any(map(len, tables.values()))
    assert all("run" in table.columns for table in tables.values())


def test_all_runs_make_consistent_tables(project, trained):
    tables = runs.load()
    assert list(tables) == ["runs", *runs.TABLES]
    table = tables["runs"].set_index("run")
    start = runs.names()[1]
    assert table["finished"].to_dict() == {"done": True, start: True, "killed": False}
    assert table["epochs_done"].to_dict() == {"done": 2, start: 1, "killed": 1}
    assert table["method"].to_dict() == {"done": "aoq", start: "fp32", "killed": "lsq"}
    assert table["accuracy"].notna().to_dict() == {"done": True, start: True, "killed": False}
    assert table.loc["done", "accuracy"] == trained[1].result["accuracy"]
    assert table.loc["done", "skip"] == "conv3"
    assert table["threads"].eq(1).all()
    assert table[["created", "torch", "processor", "device"]].notna().all().all()
    assert table["crossings"].notna().to_dict() == {"done": True, start: False, "killed": False}

    method = table["method"].to_dict()
    for name in runs.TABLES:
        rows = tables[name]
        assert rows.columns[0] == "run"
        assert rows["method"].eq(rows["run"].map(method)).all()
        assert rows["seed"].eq(0).all()
    assert tables["metrics"].groupby("run").size().to_dict() == {"done": 2, start: 1, "killed": 1}
    for name in ("history", "levels", "intervals", "transitions"):
        assert set(tables[name]["run"]) == {"done", "killed"}
    assert tables["layers"].groupby("run")["weight_bits"].count().to_dict() == {"done": 1, start: 0, "killed": 2}


def test_one_run_or_several_can_be_read(project):
    whole = runs.load()
    for wanted in ("killed", ["killed", "done"], ("done", "done")):
        there = [wanted] if isinstance(wanted, str) else list(dict.fromkeys(wanted))
        tables = runs.load(wanted)
        assert list(tables["runs"]["run"]) == there
        for name in runs.TABLES:
            rows = whole[name]
            assert len(tables[name]) == rows["run"].isin(there).sum()
    metrics = pd.read_parquet(project / "data" / "runs" / "done" / "metrics.parquet")
    pd.testing.assert_frame_equal(runs.load("done")["metrics"][metrics.columns], metrics)
    assert len(runs.load("done", folder=project / "data" / "runs")["metrics"]) == 2


@pytest.mark.parametrize("name", ["nix", "transformer", "damaged", "half", "empty", "notes.txt", "."])
def test_what_is_no_run_is_answered_with_those_there_are(project, name):
    with pytest.raises(
        FileNotFoundError, match=rf"there is no run '{name}' in .*runs; there are: done, start-.*, killed"
    ):
        runs.load(["done", name])


def test_the_overview_says_how_far_runs_are(project):
    table = runs.overview().set_index("run")
    assert list(table.columns) == ["method", "bits", "seed", "epochs_done", "epochs", "accuracy", "finished"]
    assert table.loc["killed", ["epochs_done", "epochs", "finished"]].tolist() == [1, 3, False]
    newest = pd.read_parquet(project / "data" / "runs" / "killed" / "metrics.parquet")["test_accuracy"].iloc[-1]
    assert table.loc["killed", "accuracy"] == newest
    assert table["bits"].isna().tolist() == [False, True, False]


def test_a_run_that_was_only_begun_has_nothing_yet(project, trained, tmp_path):
    (tmp_path / "begun").mkdir()
    text = (project / "data" / "runs" / "done" / "config.json").read_text()
    (tmp_path / "begun" / "config.json").write_text(text)
    (row,) = runs.overview(tmp_path).to_dict("records")
    assert (row["epochs_done"], row["finished"]) == (0, False)
    assert pd.isna(row["accuracy"])
    tables = runs.load(folder=tmp_path)
    assert tables["runs"]["accuracy"].isna().all()
    assert len(tables["metrics"]) == 0


@pytest.fixture(scope="module")
def in_memory():
    """Two runs that were not kept, as a sweep gives them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    start = train(config(method="fp32", epochs=1), keep=False, quiet=True)
    results = [train(config(seed=seed), start=start.model, keep=False, quiet=True) for seed in (0, 1)]
    torch.set_num_threads(before)
    return [start, *results]


def test_recorded_runs_come_back_with_all_that_running_them_again_takes(fresh, in_memory):
    folder = runs.record("digits", in_memory, "Two epochs, for a test.")
    assert folder == fresh / "data" / "recorded" / "digits"
    assert runs.recorded_names() == ["digits"]
    tables, info = runs.load_recorded("digits")
    assert list(tables) == ["runs", *runs.TABLES]
    assert info["note"] == "Two epochs, for a test."
    assert info["seconds"] == pytest.approx(sum(result.result["seconds"] for result in in_memory))
    assert {"created", "versions", "processor", "processors", "cores", "git"} <= info.keys()
    names = [result.config.default_name() for result in in_memory]
    assert list(info["settings"]) == list(tables["runs"]["run"]) == names
    assert [TrainConfig.from_dict(settings) for settings in info["settings"].values()] == [r.config for r in in_memory]
    table = tables["runs"].set_index("run")
    assert table["finished"].all()
    assert table[["commit", "torch", "processor", "device", "threads", "created", "seconds"]].notna().all().all()
    for name, result in zip(names, in_memory, strict=True):
        assert table.loc[name, "accuracy"] == result.result["accuracy"]
        own = (
            tables["metrics"]
            .query("run == @name")
            .drop(columns=["run", "seed", "method"])[list(result.tables["metrics"])]
        )
        pd.testing.assert_frame_equal(own.reset_index(drop=True), result.tables["metrics"], check_dtype=False)
        for large in ("history", "levels", "intervals"):
            if large in result.tables:
                own = tables[large].query("run == @name")
                assert own.select_dtypes("float64").empty
                expected = result.tables[large]
                for column in expected.select_dtypes("number"):
                    assert own[column].tolist() == pytest.approx(expected[column].tolist(), rel=1e-6, nan_ok=True)


def test_transitions_are_recorded_to_the_last_count(fresh, in_memory):
    runs.record("digits", in_memory, "For a test.")
    recorded = runs.load_recorded("digits")[0]["transitions"]
    for result in in_memory[1:]:
        expected = result.tables["transitions"]
        own = recorded.query("run == @result.config.default_name()")[list(expected)].reset_index(drop=True)
        pd.testing.assert_frame_equal(own, expected)
        thresholds = (expected["from"] - expected["to"]).abs()
        assert (expected["count"] * thresholds).sum() == result.result["tracker"]["crossings"]


def test_recorded_runs_have_the_columns_of_those_on_the_disk(project, in_memory, trained):
    runs.record("both", [trained[1], in_memory[1]], "One from the disk, one from memory.")
    tables, _ = runs.load_recorded("both")
    on_disk = runs.load("done")
    for name in ("runs", *runs.TABLES):
        assert set(tables[name].columns) == set(on_disk[name].columns)
    first = tables["runs"].iloc[0]
    assert (first["run"], first["created"]) == ("done", on_disk["runs"]["created"][0])


def test_what_is_recorded_stays_small(fresh, in_memory):
    folder = runs.record("digits", in_memory, "For a test.")
    written = sum(path.stat().st_size for path in folder.iterdir())
    assert written < 100_000
    tables, _ = runs.load_recorded("digits")
    for name in ("history", "intervals"):
        tables[name].astype(dict.fromkeys(tables[name].select_dtypes("float32"), "float64")).to_parquet(fresh / "plain")
        assert (folder / f"{name}.parquet").stat().st_size < (fresh / "plain").stat().st_size


def test_runs_of_one_name_are_told_apart(fresh, in_memory):
    runs.record("twice", [in_memory[1], in_memory[1]], "The same twice.")
    tables, info = runs.load_recorded("twice")
    name = in_memory[1].config.default_name()
    assert list(info["settings"]) == [name, f"{name}-2"]
    assert tables["metrics"].groupby("run").size().to_dict() == {name: 2, f"{name}-2": 2}


def test_recording_again_replaces_every_table(fresh, in_memory):
    folder = runs.record("digits", in_memory, "With quantized runs.")
    assert (folder / "history.parquet").exists()
    runs.record("digits", in_memory[:1], "Full precision alone.")
    tables, info = runs.load_recorded("digits")
    assert info["note"] == "Full precision alone."
    assert len(tables["runs"]) == 1
    assert len(tables["history"]) == 0
    assert {path.name for path in folder.iterdir()} == {
        "info.json",
        *(f"{table}.parquet" for table in ("runs", "metrics", "layers")),
    }


def test_nothing_is_recorded_of_nothing(fresh):
    with pytest.raises(ValueError, match="no results to record under 'x'"):
        runs.record("x", [], "")
    with pytest.raises(FileNotFoundError, match="nothing was recorded under 'x'; there are: none yet"):
        runs.load_recorded("x")


def test_a_record_that_cannot_be_written_leaves_the_old_one(fresh, in_memory, monkeypatch):
    runs.record("digits", in_memory[:1], "Old.")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", full)
    with pytest.raises(NotWrittenError, match="No space left"):
        runs.record("digits", in_memory, "New.")
    monkeypatch.undo()
    monkeypatch.setenv("AOQLAB_ROOT", str(fresh))
    assert json.loads((fresh / "data" / "recorded" / "digits" / "info.json").read_text())["note"] == "Old."
