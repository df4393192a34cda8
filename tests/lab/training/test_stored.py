"""Runs on the disk as tables, and samples made of them."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch

from aoqlab.lab import methods
from aoqlab.lab.cli import commands as cli
from aoqlab.lab.shared.files import DIGESTS, NotWrittenError, write_set
from aoqlab.lab.training import TrainConfig, train
from aoqlab.lab.training import stored as runs

ROOT = Path(__file__).parents[3]


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


@pytest.mark.parametrize("name", ["nix", "transformer", "half", "empty", "notes.txt", "."])
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


def test_a_damaged_run_is_left_out_with_a_warning_and_refused_by_name(project, tmp_path):
    shutil.copytree(project / "data" / "runs", tmp_path / "runs")
    (tmp_path / "runs" / "killed" / "metrics.parquet").write_bytes(b"PAR1, not")
    with pytest.warns(UserWarning, match=r"the run in .*killed cannot be read"):
        assert runs.overview(tmp_path / "runs")["run"][0] == "done"
    with pytest.warns(UserWarning, match=r"the run in .*killed cannot be read"):
        assert "killed" not in set(runs.load(folder=tmp_path / "runs")["runs"]["run"])
    with pytest.raises(ValueError, match=r"the run in .*killed cannot be read"):
        runs.load("killed", folder=tmp_path / "runs")


BAD = {
    "cut": '{"settings": {"ar',
    "listed": "[1, 2]",
    "deep": "[" * 200_000,
    "newer": '{"digest": "1", "settings": {"method": {"name": "aoq"}, "format": 9}}',
    "impossible": '{"digest": "1", "settings": {"bits": 99}}',
    "without": '{"digest": "1", "settings": {"method_options": null}}',
}


def test_one_bad_folder_hides_no_good_one(project, tmp_path, monkeypatch, capsys):
    root = tmp_path / "data" / "runs"
    shutil.copytree(project / "data" / "runs" / "done", root / "done")
    for name, text in BAD.items():
        (root / name).mkdir()
        (root / name / "config.json").write_text(text)
    (root / "folder" / "config.json").mkdir(parents=True)
    shutil.copytree(root / "done", root / "flipped")
    table = bytearray((root / "flipped" / "metrics.parquet").read_bytes())
    table[len(table) // 2] ^= 4
    (root / "flipped" / "metrics.parquet").write_bytes(table)
    monkeypatch.setenv("AOQLAB_ROOT", str(tmp_path))
    assert cli.main(["runs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("done ") for line in lines)
    for name in [*BAD, "folder", "flipped"]:
        assert any(line.startswith(f"the run in {root / name} cannot be read: ") for line in lines), name
        with pytest.raises(ValueError, match=f"the run in .*{name} cannot be read: "):
            runs.load(name)
    assert len(runs.load("done")["runs"]) == 1


def test_settings_that_an_older_run_lacks_have_their_defaults(project, tmp_path):
    config = json.loads((project / "data" / "runs" / "done" / "config.json").read_text())
    del config["settings"]["label_smoothing"]
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "config.json").write_text(json.dumps(config))
    assert runs.load("old", folder=tmp_path)["runs"]["label_smoothing"].item() == TrainConfig().label_smoothing


def test_the_record_of_an_epoch_is_the_last_one_up_to_its_end():
    assert runs.epoch_records([0, 5, 10, 15], [0, 7, 14, 15]).tolist() == [0, 1, 2, 3]
    assert runs.epoch_records([0, 30], [0, 10, 20, 30]).tolist() == [0, 0, 0, 1]


@pytest.fixture
def packed(trained, tmp_path, monkeypatch):
    """The finished run and its start as samples of a project of their own; the tables before and after."""
    shutil.copytree(trained[0] / "data" / "runs", tmp_path / "data" / "runs")
    monkeypatch.setenv("AOQLAB_ROOT", str(tmp_path))
    wanted = ["done", runs.names()[1]]
    assert runs.pack(wanted) == [tmp_path / "data" / "recorded" / name for name in wanted]
    return runs.load(wanted), runs.load(folder=runs.recorded_dir())


def test_a_sample_has_the_settings_results_and_origin_of_its_run(packed):
    before, after = packed
    assert sorted(runs.names(runs.recorded_dir())) == sorted(before["runs"]["run"])
    expected, found = (tables["runs"].set_index("run").sort_index() for tables in packed)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    assert found[["commit", "created", "torch", "processor"]].notna().all().all()
    for table in ("metrics", "layers"):
        pd.testing.assert_frame_equal(after[table][before[table].columns], before[table])


def test_of_the_history_a_sample_has_the_ends_of_epochs_to_seven_digits(packed):
    before, after = packed
    ends = [0, *before["metrics"].query("run == 'done'")["step"]]
    for table in ("history", "levels"):
        rows = before[table][before[table]["step"].isin(ends)].reset_index(drop=True)
        assert 0 < len(after[table]) < len(before[table])
        pd.testing.assert_frame_equal(after[table][rows.columns], rows, check_dtype=False, rtol=1e-6)
    pd.testing.assert_frame_equal(after["transitions"], before["transitions"])
    thresholds = (after["transitions"]["from"] - after["transitions"]["to"]).abs()
    crossings = before["runs"].set_index("run").loc["done", "crossings"]
    assert (after["transitions"]["count"] * thresholds).sum() == crossings


def test_a_sample_is_small_and_holds_no_network(packed):
    for folder in runs.recorded_dir().iterdir():
        files = {file.name: file.stat().st_size for file in folder.iterdir()}
        assert set(files) <= {DIGESTS, "config.json", "result.json", *(f"{table}.parquet" for table in runs.TABLES)}
        assert sum(files.values()) < 60_000


def test_packing_again_replaces_every_table(packed):
    start = runs.names()[1]
    left_over, foreign = (runs.recorded_dir() / start / name for name in ("levels.parquet", "old.parquet"))
    left_over.touch()
    foreign.touch()
    runs.pack([start])
    assert foreign.exists() and not left_over.exists()


def test_files_in_the_settings_of_a_sample_have_their_names_alone(packed):
    file = runs.runs_dir() / "done" / "config.json"
    config = json.loads(file.read_text())
    config["settings"]["checkpoint"] = "/home/somebody/weights.safetensors"
    write_set({file: json.dumps(config).encode()})
    (folder,) = runs.pack(["done"])
    assert runs.read(folder).settings["checkpoint"] == "weights.safetensors"


def test_runs_that_are_not_there_or_not_finished_are_not_packed(packed, capsys):
    with pytest.raises(ValueError, match="the run 'killed' is not finished"):
        runs.pack(["done", "killed"])
    assert not (runs.recorded_dir() / "killed").exists()
    assert cli.main(["pack", "nobody"]) == 2
    assert "there is no run 'nobody'" in capsys.readouterr().err
    assert cli.main(["pack", "done"]) == 0
    assert re.search(r"packed: .*done \(\d+ kB\)", capsys.readouterr().out)


def test_a_sample_that_cannot_be_written_leaves_the_old_one(packed, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    before = {file: file.read_bytes() for file in runs.recorded_dir().rglob("*.*")}
    monkeypatch.setattr(pd.DataFrame, "to_parquet", full)
    with pytest.raises(NotWrittenError, match="No space left"):
        runs.pack(["done"])
    assert {file: file.read_bytes() for file in runs.recorded_dir().rglob("*.*")} == before


def test_the_committed_samples_are_one_of_every_method(monkeypatch):
    monkeypatch.setenv("AOQLAB_ROOT", str(ROOT))
    table = runs.load(folder=runs.recorded_dir())["runs"]
    assert table["finished"].all() and table["commit"].notna().all() and not table["dirty"].any()
    assert set(table.query("data == 'digits'")["method"]) == set(methods.names())
    assert [TrainConfig.from_dict(runs.read(runs.recorded_dir() / name).settings).name for name in table["run"]] == [
        *table["run"]
    ]
    size = sum(file.stat().st_size for file in runs.recorded_dir().rglob("*.*") if file.is_file())
    assert size < 700_000
