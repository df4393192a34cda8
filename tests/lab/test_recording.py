"""Plans of runs that ship, made again at a size that tests can afford."""

import pytest

from aoqlab.lab import recording
from aoqlab.lab.cli import commands as cli
from aoqlab.lab.recording import PLANS, Plan
from aoqlab.lab.training import TrainConfig
from aoqlab.lab.training import stored as runs


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch, threads):
    monkeypatch.setenv("AOQLAB_ROOT", str(tmp_path))
    threads(1)
    return tmp_path


@pytest.fixture
def small(monkeypatch):
    def configs(data):
        base = {"arch": "digits_cnn", "data": data, "epochs": 1, "start_epochs": 1}
        return [TrainConfig(**base, method=m, seed=s) for s in (0, 1) for m in ("fp32", "lsq", "aoq")]

    monkeypatch.setitem(PLANS, "small", Plan("A small one.", configs, "digits"))


def test_a_plan_becomes_tables_with_every_run(small, project):
    assert recording.record("small") == project / "data" / "recorded" / "small"
    tables, info = runs.load_recorded("small")
    assert info["note"] == "A small one."
    assert tables["runs"].groupby("method")["seed"].apply(list).to_dict() == {m: [0, 1] for m in ("aoq", "fp32", "lsq")}
    accuracy = tables["runs"].set_index(["method", "seed"])["accuracy"]
    used = tables["runs"].set_index(["method", "seed"])["accuracy_start"]
    for method in ("aoq", "lsq"):
        assert used[method, 0] != used[method, 1]
    assert accuracy.notna().all()
    assert set(tables["history"]["method"]) == {"aoq", "lsq"}


def test_it_goes_on_where_it_was(small, project, capsys):
    recording.record("small")
    made = {p: p.stat().st_mtime_ns for p in (project / "data" / "runs").glob("*/model.safetensors")}
    assert len(made) == 6  # two starts, which are the full-precision runs, and two of each method
    assert cli.main(["record", "small"]) == 0
    assert "recorded in" in capsys.readouterr().out
    assert {p: p.stat().st_mtime_ns for p in (project / "data" / "runs").glob("*/model.safetensors")} == made


def test_an_unknown_plan_lists_those_there_are(capsys):
    assert cli.main(["record", "smal"]) == 2
    assert "digits, cifar10-jpeg-reduced, cifar10-jpeg" in capsys.readouterr().err


def test_a_plan_without_data_of_its_own_asks_for_them(capsys):
    assert cli.main(["record", "cifar10-jpeg"]) == 2
    assert "--data FOLDER" in capsys.readouterr().err


def test_the_plans_are_those_that_their_notes_describe():
    counts = {name: len(plan.configs("somewhere")) for name, plan in PLANS.items()}
    assert counts == {"digits": 5 * 11, "cifar10-jpeg-reduced": 3 * 3, "cifar10-jpeg": 5 * 7 + 2 * 6}
    for plan in PLANS.values():
        configs = plan.configs("somewhere")
        assert len({c.digest() for c in configs}) == len(configs)
