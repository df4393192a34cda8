import errno
import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt

from aoqlab.lab.plots.saving import load_figure_info, save_figure
from aoqlab.lab.shared import files


@pytest.fixture
def fig():
    figure, ax = plt.subplots(figsize=(2, 1.5))
    ax.plot([0, 1], [1, 0], label="$w_1$")
    ax.legend()
    yield figure
    plt.close(figure)


def listing(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_three_pictures_and_a_record(fig, tmp_path):
    paths = save_figure(fig, "toy.surface-1_a", folder=tmp_path)
    assert {form: path.name for form, path in paths.items()} == {
        form: f"toy.surface-1_a.{form}" for form in ("png", "svg", "pdf", "json")
    }
    assert set(listing(tmp_path)) == {path.name for path in paths.values()}
    assert paths["png"].read_bytes().startswith(b"\x89PNG")
    assert paths["pdf"].read_bytes().startswith(b"%PDF")
    assert b"<svg" in paths["svg"].read_bytes()


def test_the_record_tells_what_it_was_made_from(fig, tmp_path):
    data = tmp_path / "runs.parquet"
    data.write_bytes(b"table")
    save_figure(fig, "a", parameters={"lr": 1e-3}, seeds=range(3), data=data, folder=tmp_path)
    info = load_figure_info("a", tmp_path)
    assert info["parameters"] == {"lr": 1e-3}
    assert info["seeds"] == [0, 1, 2]
    assert info["data"] == [{"path": "runs.parquet", "sha256": hashlib.sha256(b"table").hexdigest()}]
    assert info["versions"]["matplotlib"] == mpl.__version__
    assert {"aoqlab", "numpy", "pandas", "torch"} <= set(info["versions"])
    assert set(info["git"]) == {"commit", "dirty"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", info["created"])
    assert info["versions"]["aoqlab"]
    assert info["python"]
    assert info["platform"]


def test_the_record_knows_its_pictures(fig, tmp_path):
    paths = save_figure(fig, "a", folder=tmp_path)
    files = load_figure_info("a", tmp_path)["files"]
    assert files == {
        path.name: {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for form, path in paths.items()
        if form != "json"
    }


def test_data_of_the_project_is_named_by_its_place_in_it(fig, tmp_path, monkeypatch):
    monkeypatch.setenv("AOQLAB_ROOT", str(tmp_path))
    (tmp_path / "data").mkdir()
    for name in ("a.parquet", "b.parquet"):
        (tmp_path / "data" / name).touch()
    paths = save_figure(fig, "a", data=[tmp_path / "data" / "a.parquet", str(tmp_path / "data" / "b.parquet")])
    assert paths["json"].parent == tmp_path / "figures"
    assert [entry["path"] for entry in load_figure_info("a")["data"]] == ["data/a.parquet", "data/b.parquet"]


def test_the_same_figure_is_the_same_file(fig, tmp_path):
    first = save_figure(fig, "a", folder=tmp_path / "one")
    second = save_figure(fig, "a", folder=tmp_path / "two")
    for form in ("png", "svg", "pdf"):
        assert first[form].read_bytes() == second[form].read_bytes()


def test_text_stays_text(fig, tmp_path):
    fig.axes[0].set_title("seen as text")
    with mpl.rc_context({"pdf.fonttype": 3, "pdf.compression": 0, "svg.fonttype": "path"}):
        paths = save_figure(fig, "a", folder=tmp_path)
    assert b"/Type3" not in paths["pdf"].read_bytes()
    assert b">seen as text</text>" in paths["svg"].read_bytes()


@dataclass(frozen=True)
class Stages:
    shrink_min: float
    until: np.ndarray


def test_parameters_become_plain(fig, tmp_path):
    parameters = {
        "scalar": np.float32(0.5),
        "flag": np.bool_(True),
        "count": np.int64(7),
        "array": np.arange(4).reshape(2, 2),
        "path": Path("data") / "runs.parquet",
        "stages": Stages(0.3, np.array([0.2])),
        "set": {3, 1},
        "bad": [float("nan"), np.inf],
        2: "key",
        "none": None,
    }
    save_figure(fig, "a", parameters=parameters, seeds=np.array([1, 2]), folder=tmp_path)
    info = load_figure_info("a", tmp_path)
    assert info["parameters"] == {
        "scalar": 0.5,
        "flag": True,
        "count": 7,
        "array": [[0, 1], [2, 3]],
        "path": "data/runs.parquet",
        "stages": {"shrink_min": 0.3, "until": [0.2]},
        "set": [1, 3],
        "bad": ["NaN", "Infinity"],
        "2": "key",
        "none": None,
    }
    assert info["seeds"] == [1, 2]


@pytest.mark.parametrize("name", ["", "a/b", "../a", ".hidden", "-flag", "a b", "ä", "a\n", "a\\b", "a.png", "a.JSON"])
def test_names_that_are_none_are_refused(fig, tmp_path, name):
    with pytest.raises(ValueError, match="figure name"):
        save_figure(fig, name, folder=tmp_path)
    assert not listing(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        (
            {"parameters": {"model": {"layer": [object()]}}},
            TypeError,
            r"parameters cannot be recorded: JSON has no form for an object of type object",
        ),
        ({"parameters": {1: 0, "1": 0}}, TypeError, "equal as texts"),
        ({"data": "no/such/file"}, FileNotFoundError, "no/such/file"),
        ({"formats": ("png", "gif")}, ValueError, "formats"),
        ({"formats": ()}, ValueError, "formats"),
    ],
)
def test_bad_arguments_leave_nothing(fig, tmp_path, arguments, error, match):
    with pytest.raises(error, match=match):
        save_figure(fig, "a", folder=tmp_path, **arguments)
    assert not listing(tmp_path)


def test_parameters_that_hold_themselves_are_refused(fig, tmp_path):
    loop = {}
    loop["self"] = loop
    with pytest.raises(TypeError, match="cannot be recorded: Circular"):
        save_figure(fig, "a", parameters=loop, folder=tmp_path)


def test_a_drawing_that_fails_leaves_nothing(fig, tmp_path):
    fig.axes[0].set_title("$\\nosuchsymbol$")
    with pytest.raises(RuntimeError, match=r"(?s)'a' could not be drawn as png.*nothing was written"):
        save_figure(fig, "a", folder=tmp_path)
    assert not listing(tmp_path)


@pytest.mark.parametrize("nth", range(1, 5))
def test_a_full_disk_at_any_file_leaves_the_older_figure(fig, tmp_path, monkeypatch, nth):
    save_figure(fig, "a", folder=tmp_path)
    before = listing(tmp_path)
    fig.axes[0].set_title("newer")
    write, calls = files._write, []

    def failing(path, content):
        calls.append(path)
        if len(calls) == nth:
            path.write_bytes(content[: len(content) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, content)

    monkeypatch.setattr(files, "_write", failing)
    with pytest.raises(OSError, match="No space left"):
        save_figure(fig, "a", folder=tmp_path)
    with pytest.raises(OSError, match="No space left"):
        calls.clear()
        save_figure(fig, "b", folder=tmp_path)
    assert listing(tmp_path) == before


def test_fewer_formats(fig, tmp_path):
    save_figure(fig, "a", formats=["svg"], folder=tmp_path)
    assert set(listing(tmp_path)) == {"a.svg", "a.json"}


def test_a_record_is_found_by_name_picture_or_path(fig, tmp_path):
    paths = save_figure(fig, "a.b", folder=tmp_path)
    info = load_figure_info("a.b", tmp_path)
    assert all(load_figure_info(path) == info for path in paths.values())
    assert load_figure_info(str(paths["png"])) == info
    assert load_figure_info("a.b.svg", tmp_path) == info


def test_a_missing_record_says_what_there_is(fig, tmp_path):
    save_figure(fig, "present", folder=tmp_path)
    with pytest.raises(FileNotFoundError, match=r"absent\.json.*present"):
        load_figure_info("absent", tmp_path)


def test_damaged_records_are_told(fig, tmp_path):
    path = save_figure(fig, "a", folder=tmp_path)["json"]
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match="damaged"):
        load_figure_info("a", tmp_path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="damaged"):
        load_figure_info("a", tmp_path)
    path.write_text(json.dumps([1]), encoding="utf-8")
    with pytest.raises(ValueError, match="no file of aoqlab"):
        load_figure_info("a", tmp_path)
