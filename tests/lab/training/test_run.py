"""Whole runs, from settings to a folder of results."""

import json
import shutil
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from aoqlab.lab import methods
from aoqlab.lab.cli import commands as cli
from aoqlab.lab.training import TrainConfig, resume, run, train
from aoqlab.lab.training.checkpoint import CheckpointError, CheckpointWarning
from aoqlab.lab.training.engine import DivergedError
from aoqlab.lab.training.folder import RunExistsError, RunFolder
from aoqlab.surgery import fold, weight_sites
from aoqlab.tracker import OscillationTracker


@pytest.fixture(scope="module")
def start():
    """A full-precision digits network of a few epochs, and its accuracy."""
    config = TrainConfig(arch="digits_cnn", method="fp32", epochs=4, device="cpu", threads=1)
    result = train(config, keep=False, quiet=True)
    assert result.result["accuracy"] > 0.8
    return result.model


@pytest.mark.parametrize("method", methods.names())
def test_every_method_trains_and_is_tracked(method, small, start):
    result = train(small(method=method, epochs=3), start=start, keep=False, quiet=True)
    assert len(result.tables["metrics"]) == 3
    assert result.result["accuracy"] > 0.3
    numbers = pd.DataFrame(result.tables["metrics"]).select_dtypes("number")
    assert numbers.notna().all().all()
    if method != "fp32":
        assert result.result["tracker"]["crossings"] > 0
        assert set(result.tables["history"]["layer"]) == set(weight_sites(result.model)) == {"conv2", "conv3"}
        assert result.tables["levels"].groupby(["step", "layer"])["count"].sum().isin([4608, 18432]).all()
        folded = fold(result.model)
        images = torch.rand(5, 1, 8, 8)
        assert torch.equal(folded(images), result.model(images))


@pytest.mark.parametrize(("arch", "size"), [("resnet20", None), ("mobilenetv2_100", 32), ("deit_tiny_patch16_224", 32)])
def test_every_kind_of_network_trains(arch, size, small):
    config = small(arch=arch, image_size=size, epochs=1, batch_size=448, bits=4)
    result = train(config, keep=False, quiet=True)
    assert result.result["tracker"]["crossings"] > 0
    assert result.tables["layers"]["weight_bits"].eq(4).sum() > 10


def test_the_folder_says_everything(small, project):
    result = train(small(name="mine", tensorboard=True), quiet=True)
    folder = project / "data" / "runs" / "mine"
    assert result.folder == folder
    record = json.loads((folder / "config.json").read_text())
    assert TrainConfig.from_dict(record["settings"]) == result.config
    assert record["method"]["name"] == "aoq"
    assert {"versions", "git", "processor", "threads", "device", "created"} <= record.keys()
    for table in ("metrics", "history", "levels", "intervals", "layers", "timing", "transitions"):
        assert len(pd.read_parquet(folder / f"{table}.parquet")) > 0
    stored = json.loads((folder / "result.json").read_text())
    assert stored["accuracy"] == result.result["accuracy"]
    assert {"accuracy_before_batch_norm", "accuracy_start"} <= stored.keys()
    assert list((folder / "events").glob("events.*"))
    weights = load_file(folder / "model.safetensors")
    assert all(torch.equal(value, weights[name]) for name, value in result.model.state_dict().items())
    assert len(list(folder.glob("checkpoint-*"))) == 2


def test_the_start_is_trained_once_and_shared(small, project):
    first = train(small(name="a"), quiet=True)
    before = {p: p.stat().st_mtime_ns for p in (project / "data" / "runs").glob("start-*/*")}
    second = train(small(name="b", method="lsq"), quiet=True)
    assert {p: p.stat().st_mtime_ns for p in (project / "data" / "runs").glob("start-*/*")} == before
    assert first.result["accuracy_start"] == second.result["accuracy_start"]


def test_the_same_settings_give_the_same_run(small, start):
    one, two = (train(small(), start=start, keep=False, quiet=True) for _ in range(2))
    assert one.result["tracker"] == two.result["tracker"]
    pd.testing.assert_frame_equal(one.tables["metrics"], two.tables["metrics"], check_exact=True)
    state = two.model.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in one.model.state_dict().items())


def test_another_seed_gives_another_run(small, start):
    one, two = (train(small(seed=seed), start=start, keep=False, quiet=True) for seed in (0, 1))
    assert not torch.equal(one.model.conv1.weight, two.model.conv1.weight)


def test_a_name_cannot_be_used_twice(small):
    train(small(name="mine", method="fp32", epochs=1), quiet=True)
    with pytest.raises(RunExistsError, match="--resume"):
        train(small(name="mine"), quiet=True)


def test_a_finished_run_is_read_not_repeated(small):
    done = train(small(name="mine"), quiet=True)
    files = {p: p.stat().st_mtime_ns for p in done.folder.rglob("*.safetensors")}
    again = resume("mine", quiet=True)
    assert {p: p.stat().st_mtime_ns for p in done.folder.rglob("*.safetensors")} == files
    assert again.result["accuracy"] == done.result["accuracy"]
    assert again.result["shares"] == done.result["shares"]
    assert {what: sum(of.values()) for what, of in done.result["shares"].items()} == {
        "parameters": pytest.approx(1),
        "multiply_adds": pytest.approx(1),
    }
    images = torch.rand(4, 1, 8, 8)
    assert torch.equal(again.model(images), done.model(images))


def test_downsampling_convolutions_are_left_alone_only_when_asked(small):
    bits = {}
    for quantized in (True, False):
        config = small(arch="resnet20", epochs=1, batch_size=448, quantize_downsampling=quantized)
        layers = train(config, keep=False, quiet=True).tables["layers"].set_index("layer")
        bits[quantized] = set(layers.index[layers["weight_bits"].notna()])
    assert bits[False] < bits[True]
    assert bits[True] - bits[False] == {"layer2.0.shortcut.0", "layer3.0.shortcut.0"}


def test_the_teacher_can_be_another_network_or_none(small, start):
    mixed = train(small(hard_labels=0.5, label_smoothing=0.1), start=start, keep=False, quiet=True)
    plain = train(small(teacher="none"), start=start, keep=False, quiet=True)
    other = train(small(teacher="resnet20", epochs=1, batch_size=448), start=start, keep=False, quiet=True)
    losses = [r.tables["metrics"]["train_loss"].iloc[0] for r in (mixed, plain, other)]
    assert len(set(losses)) == 3


def test_a_diverging_run_says_where_and_keeps_its_last_checkpoint(small, project):
    with pytest.raises(DivergedError, match=r"diverged.* step \d+ .*lower the learning rate"):
        train(small(name="wild", lr=1e30, epochs=3, teacher="none"), quiet=True)
    assert (project / "data" / "runs" / "wild" / "config.json").is_file()


def test_a_mistyped_method_or_network_is_refused_before_anything_is_made(small, project):
    for change, match in ({"method": "aqo"}, "aoq"), ({"arch": "resnet21"}, "resnet20"), ({"data": "digts"}, "digits"):
        with pytest.raises((ValueError, FileNotFoundError), match=match):
            train(small(**change), quiet=True)
    assert not list((project / "data").glob("runs/*"))


def test_progress_of_every_epoch_can_be_watched(small, start):
    seen = []
    train(small(), start=start, keep=False, quiet=True, on_epoch=lambda row, trainer: seen.append((row, trainer.step)))
    assert [(row["epoch"], step) for row, step in seen] == [(1, 21), (2, 42)]
    assert {"train_loss", "test_accuracy", "stage", "shrink", "explored_volume"} <= seen[0][0].keys()


def test_transitions_are_the_moves_from_step_to_step_of_every_epoch(small, start, monkeypatch):
    seen, feed = [], OscillationTracker._feed

    def watched(tracker, codes):
        seen.append(codes.numpy().copy())
        feed(tracker, codes)

    monkeypatch.setattr(OscillationTracker, "_feed", watched)
    last = []
    result = train(small(), start=start, keep=False, quiet=True, on_epoch=lambda _, trainer: last.append(trainer))
    table, expected = result.tables["transitions"], []
    assert len(seen) == 43  # the start and what is there after each of 42 steps
    for epoch, part in ((1, seen[:22]), (2, seen[21:])):
        at = 0
        for layer, weights in (("conv2", 4608), ("conv3", 18432)):
            counts = np.zeros((4, 4), int)
            for before, now in pairwise(codes[at : at + weights] for codes in part):
                np.add.at(counts, (before, now), before != now)
            expected += [(epoch, layer, a, b, count) for (a, b), count in np.ndenumerate(counts) if count]
            at += weights
    assert list(table.itertuples(index=False, name=None)) == expected
    found = np.zeros((2, 4, 4), int)
    rows = table["layer"].map({"conv2": 0, "conv3": 1}).to_numpy()
    np.add.at(found, (rows, table["from"], table["to"]), table["count"])
    assert found.tolist() == last[-1].tracker.transitions.tolist()


def test_tables_are_whole_also_after_a_kill_between_the_last_checkpoint_and_them(small, monkeypatch):
    whole = train(small(name="whole"), quiet=True)

    class Killed(BaseException):
        pass

    def kill(folder, tables, **files):
        if "metrics" in tables and len(tables["metrics"]) == 2:
            raise Killed
        return write(folder, tables, **files)

    write = RunFolder.write
    monkeypatch.setattr(RunFolder, "write", kill)
    monkeypatch.setattr(run, "TABLES_EVERY", 0.0)
    with pytest.raises(Killed):
        train(small(name="killed"), quiet=True)
    monkeypatch.setattr(RunFolder, "write", write)
    folder = resume("killed", quiet=True).folder
    for table in ("metrics", "history", "levels", "intervals", "transitions"):
        stored = [pd.read_parquet(f / f"{table}.parquet") for f in (whole.folder, folder)]
        pd.testing.assert_frame_equal(*stored, check_exact=True)


def test_what_a_killed_process_was_writing_is_cleared_away_and_not_read(small):
    done = train(small(name="mine", method="fp32", epochs=1), quiet=True)
    left_over = done.folder / ".aaaaaaaaaaaa-new-metrics.parquet"
    left_over.write_bytes(b"PAR1")
    assert resume("mine", quiet=True).result["accuracy"] == done.result["accuracy"]
    assert not left_over.exists()


def test_a_damaged_network_of_a_finished_run_is_made_again(small):
    done = train(small(name="mine"), quiet=True)
    file = done.folder / "model.safetensors"
    before = file.read_bytes()
    file.write_bytes(before[:1000])
    with pytest.warns(CheckpointWarning, match=r"model\.safetensors.*making it again"):
        again = resume("mine", quiet=True)
    assert load_file(file).keys() == done.model.state_dict().keys()
    assert again.result["accuracy"] == done.result["accuracy"]


def test_a_finished_run_is_read_without_its_start(small, project):
    done = train(small(name="mine"), quiet=True)
    for start in (project / "data" / "runs").glob("start-*"):
        shutil.rmtree(start)
    assert resume("mine", quiet=True).result["accuracy"] == done.result["accuracy"]
    assert not list((project / "data" / "runs").glob("start-*"))


def test_a_model_that_diverged_in_the_last_step_of_an_epoch_is_not_kept(small, project):
    def spoil(row, trainer):
        def last(*_):
            if trainer.step == 2 * trainer.steps_per_epoch - 1:
                next(iter(trainer.model.parameters())).data.fill_(float("nan"))

        trainer.optimizer.register_step_post_hook(last)

    with pytest.raises(DivergedError, match="diverged"):
        train(small(name="mine", epochs=3), quiet=True, on_epoch=spoil)
    assert [p.name for p in (project / "data" / "runs" / "mine").glob("checkpoint-*")] == ["checkpoint-00000021"]
    assert resume("mine", quiet=True).result["steps"] == 63


def test_freezing_needs_a_tracker_that_sees_every_step(small):
    with pytest.raises(ValueError, match="track_every must be 1"):
        train(small(method="lsq+freeze", track_every=2), quiet=True)


@pytest.fixture
def images(tmp_path):
    """A folder of 40 images of two classes, in a folder whose name is no plain word."""
    from PIL import Image

    def make(count, first=0):
        for split in ("train", "test"):
            for label in ("cats", "dogs"):
                place = tmp_path / "my images" / split / label
                place.mkdir(parents=True, exist_ok=True)
                for i in range(first, first + count):
                    pixels = torch.randint(
                        0, 256, (16, 16, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(i)
                    )
                    Image.fromarray(pixels.numpy()).save(place / f"{i}.png")

    make(20)
    return make


def test_images_that_changed_are_noticed(small, images, project):
    def stop(row, trainer):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(small(data=str(project / "my images"), name="mine", epochs=3), quiet=True, on_epoch=stop)
    images(5, first=20)
    with pytest.raises(CheckpointError, match="not those that mine was begun with"):
        resume("mine", quiet=True)
    train(small(data=str(project / "my images"), epochs=1), quiet=True)
    assert len(list((project / "data" / "runs").glob("start-*"))) == 2


def test_the_same_command_line_resumes_from_any_working_directory(images, project, monkeypatch, capsys):
    words = ["digits_cnn", "2", "1", "--data", "my_images", "--name", "rel", "--threads", "1", "--device", "cpu"]
    words += ["--epochs", "2", "--start-epochs", "1"]
    (project / "my images").rename(project / "my_images")
    monkeypatch.chdir(project)
    assert cli.main(words) == 0
    assert cli.main([*words, "--resume"]) == 0
    monkeypatch.chdir(project / "data")
    assert cli.main(["resume", "rel"]) == 0
    assert capsys.readouterr().out.count("rel: test accuracy") == 3
