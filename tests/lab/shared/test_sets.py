"""Sets of files: they switch whole wherever their writer is killed, and no damaged bit passes."""

from __future__ import annotations

import io
import itertools
import os
import random
import shutil
import sys
import warnings

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import torch

from aoqlab.lab import models
from aoqlab.lab.claims import cells, results, stored_surface
from aoqlab.lab.claims.cells import Kept
from aoqlab.lab.plots.saving import load_figure_info, save_figure
from aoqlab.lab.shared.files import (
    DIGESTS,
    DamagedError,
    complete,
    read_checked,
    read_json,
    read_set,
    write_set,
)
from aoqlab.lab.shared.paths import project_root
from aoqlab.lab.training import checkpoint as checkpoints
from aoqlab.lab.training import stored
from aoqlab.lab.training.checkpoint import Checkpoint

NAMES = ("a.json", "b.bin", "c")


def content(version):
    return {name: f"{version} {name}".encode() for name in NAMES}


def killed_at(operation, work):
    """Do the work in a process that ends without a word before its n-th file operation; return whether it did."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python 3.12 warns of every fork where threads run
        child = os.fork()
    if not child:
        count = itertools.count(1)
        sys.addaudithook(
            lambda event, _: (
                os._exit(9)
                if event in ("open", "os.rename", "os.remove", "os.mkdir") and next(count) == operation
                else None
            )
        )
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 9)
    return status == 9


def write(folder, version):
    write_set({folder / name: own for name, own in content(version).items()})


def test_a_set_switches_whole_wherever_its_writer_is_killed(tmp_path):
    seen = set()
    for operation in itertools.count(1):
        folder = tmp_path / str(operation)
        write(folder, "old")
        killed = killed_at(operation, lambda folder=folder: write(folder, "new"))
        found = read_set(folder, NAMES)
        assert found in (content("old"), content("new"))
        seen.add(found["c"])
        write(folder, "newer")
        assert sorted(file.name for file in folder.iterdir()) == [DIGESTS, *NAMES]
        assert read_set(folder, NAMES) == content("newer")
        if not killed:
            break
    assert operation > 10 and len(seen) == 2


def test_a_new_set_is_there_whole_or_not_at_all(tmp_path):
    for operation in itertools.count(1):
        folder = tmp_path / str(operation)
        folder.mkdir()
        killed = killed_at(operation, lambda folder=folder: write(folder, "new"))
        assert read_set(folder, NAMES) in ({}, content("new"))
        if not killed:
            break


def test_a_figure_and_its_record_belong_together_wherever_their_writer_is_killed(tmp_path):
    figure, axes = plt.subplots()
    formats = ("png", "svg")
    save_figure(figure, "f", folder=tmp_path / "old", parameters={"version": "old"}, formats=formats)
    axes.plot([0, 1])
    seen = set()
    for operation in itertools.count(1):
        folder = tmp_path / str(operation)
        shutil.copytree(tmp_path / "old", folder)

        def save(folder=folder):
            save_figure(figure, "f", folder=folder, parameters={"version": "new"}, formats=formats)

        killed = killed_at(operation, save)
        seen.add(load_figure_info("f", folder)["parameters"]["version"])  # it checks the pictures
        complete(folder)
        assert sorted(file.name for file in folder.iterdir()) == ["f.json", "f.png", "f.svg"]
        if not killed:
            break
    assert seen == {"old", "new"}
    (folder / "f.png").write_bytes((tmp_path / "old" / "f.png").read_bytes())
    with pytest.raises(DamagedError, match=r"f\.png is not the picture"):
        load_figure_info("f", folder)
    plt.close(figure)


def test_foreign_files_stay(tmp_path):
    for name in (".notes", ".x-new-a.json", "b.bin.tmp"):
        (tmp_path / name).touch()
    write(tmp_path, "new")
    write(tmp_path, "newer")
    assert {".notes", ".x-new-a.json", "b.bin.tmp"} < {file.name for file in tmp_path.iterdir()}


def test_files_of_earlier_versions_are_read_without_digests(tmp_path):
    (tmp_path / "a.json").write_text('{"a": 1}')
    assert read_json(tmp_path / "a.json") == {"a": 1}
    with pytest.raises(FileNotFoundError):
        read_checked(tmp_path / "b.bin")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Every kind of stored file, most of them as they come with the project."""
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(project_root() / "data", root / "data", ignore=shutil.ignore_patterns("runs", ".claims", "first"))
    cells.write(root, "cell", Kept({"error": 0.1}, pd.DataFrame({"step": [1, 2]})))
    checkpoints.save(root, Checkpoint(7, {"model.weight": torch.ones(3)}, {"digest": "d"}))
    return root


def everything(root):
    """Read all stored files as the program does."""
    own = results.load(root / "data" / "results")
    surface = stored_surface.load("toy-full", root / "data" / "results")
    state = models.read_weights(root / "data" / "digits_cnn.safetensors")
    runs = stored.readable(root / "data" / "recorded")
    kept, checkpoint = cells.read(root, "cell"), checkpoints.load_newest(root, "d")
    found = [vars(own), vars(surface), state, [vars(run) for run in runs], kept and vars(kept), vars(checkpoint)]
    stream = io.BytesIO()
    torch.save(found, stream)
    return stream.getvalue()


def test_no_flipped_bit_passes(project):
    before, draw = everything(project), random.Random(0)
    files = [file for file in sorted(project.rglob("*")) if file.is_file() and file.suffix != ".md"]
    for file in [*draw.sample(files, 12), project / "cell.entry", project / "checkpoint-00000007"]:
        whole = file.read_bytes()
        changed = bytearray(whole)
        changed[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        file.write_bytes(changed)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", UserWarning)
                after = everything(project)
            assert file.name == DIGESTS and after == before, file
        except (ValueError, UserWarning) as error:
            assert str(file) in str(error) or file.name == DIGESTS
        finally:
            file.write_bytes(whole)
