"""The training command from its words to its exit status, mostly in this process."""

import dataclasses
import errno
import io
import os
import re
import signal
import subprocess
import sys

import pandas as pd
import pytest

from aoqlab.lab import methods, training
from aoqlab.lab.cli import commands as cli
from aoqlab.lab.cli import training as cli_training
from aoqlab.lab.cli.options import Parser, parse
from aoqlab.lab.shared import store
from aoqlab.lab.shared.files import NotWrittenError
from aoqlab.lab.training import TrainConfig
from aoqlab.lab.training.checkpoint import CheckpointError
from aoqlab.lab.training.engine import DivergedError, Stopped, Trainer
from aoqlab.lab.training.folder import RunBusyError, RunExistsError, RunFolder

QUICK = ["--epochs", "1", "--start-epochs", "1", "--device", "cpu", "--threads", "1"]
LINE = ["digits_cnn", "2", "1", *QUICK]


@pytest.fixture
def project(tmp_path, monkeypatch, threads):
    """A project folder of its own; one thread, and lines of 80 characters."""
    monkeypatch.setenv("AOQLAB_ROOT", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    threads(1)
    return tmp_path


@pytest.fixture
def untouched(project, monkeypatch):
    """Nothing is trained, and in the end nothing was written."""

    def no_training(*_, **__):
        raise AssertionError("training began")

    monkeypatch.setattr(Trainer, "epochs", no_training)
    yield project
    assert not [path for path in project.rglob("*") if path.is_file()]


def error_of(capsys):
    """The one line on stderr, without the name of the program."""
    (line,) = capsys.readouterr().err.splitlines()
    program, _, message = line.partition(": ")
    assert program == "aoqlab"
    return message


def test_a_run_goes_from_its_words_to_its_folder_and_is_not_overwritten(project, capsys):
    assert cli.main([*LINE, "--name", "mine", "--method-options", "shrink_min", "0.5"]) == 0
    folder = project / "data" / "runs" / "mine"
    out = capsys.readouterr().out
    assert "first convolution" in out  # the audit
    assert "mine: test accuracy" in out
    assert f"everything is in {folder}" in out
    stored = RunFolder.named("mine").read("config.json")
    assert stored["settings"]["method_options"] == {"shrink_min": 0.5}

    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert cli.main(["train", *LINE, "--name", "mine"]) == 2
    assert "there is a run named 'mine' already" in error_of(capsys)

    # The same line again reads a finished run; what is left open, such as the learning rate, asks for nothing.
    assert cli.main([*LINE, "--name", "mine", "--method-options", "shrink_min", "0.5", "--resume"]) == 0
    assert "mine: test accuracy" in capsys.readouterr().out
    assert cli.main(["resume", "mine"]) == 0
    assert "mine: test accuracy" in capsys.readouterr().out

    assert cli.main([*LINE, "--resume", "--name", "mine", "--seed", "3", "--lr", "0.5"]) == 2
    said = error_of(capsys)
    assert "the run mine was begun with other settings" in said
    for difference in ("seed is 0, not 3", "lr is 0.001, not 0.5", "method_options is {'shrink_min': 0.5}, not {}"):
        assert difference in said
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before

    assert cli.main(["runs"]) == 0
    table = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert table[0] == ["run", "method", "bits", "seed", "epochs", "accuracy", "finished"]
    start, mine = sorted(table[2:], key=lambda row: row[0], reverse=True)
    assert (mine[:5], mine[6]) == (["mine", "aoq", "2", "0", "1/1"], "yes")
    assert (start[0][:6], start[1:5], start[6]) == ("start-", ["fp32", "-", "0", "1/1"], "yes")


def test_a_run_that_was_interrupted_resumes_by_the_same_line(project, capsys, monkeypatch):
    line = [*LINE, "--method", "fp32", "--epochs", "2", "--resume"]
    evaluate = Trainer.evaluate

    def interrupted(trainer):
        signal.raise_signal(signal.SIGINT)
        return evaluate(trainer)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "evaluate", interrupted)
        assert cli.main(line) == 130
    said = capsys.readouterr().err.splitlines()[-1]
    name = "digits_cnn-digits-fp32-seed0"
    assert said == f"aoqlab: stopped at step 21 of 42; resume with: bash run.sh resume {name}"
    assert cli.main(["runs"]) == 0
    last = capsys.readouterr().out.splitlines()[-1].split()
    assert (last[0], last[4], last[6]) == (name, "1/2", "no")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "train", lambda config: pytest.fail("began again"))
        assert cli.main(line) == 0
    assert f"{name}: test accuracy" in capsys.readouterr().out

    for file in (project / "data" / "runs" / name).glob("checkpoint-*"):
        file.write_bytes(file.read_bytes()[:1000])
    (project / "data" / "runs" / name / "result.json").unlink()
    assert cli.main(["resume", name]) == 1
    said = error_of(capsys)
    assert "no checkpoint in" in said
    assert "truncated or damaged" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "arguments are required: ARCH, N_BITS, QUANTIZE_DOWNSAMPLING"),
        (["resnet20"], "arguments are required: N_BITS, QUANTIZE_DOWNSAMPLING"),
        (["resnet20", "--method", "aoq"], "arguments are required: N_BITS, QUANTIZE_DOWNSAMPLING"),
        (["resnet20", "two", "1"], "N_BITS must be a whole number, got 'two'"),
        (["resnet20", "1", "1"], "bits must be an integer from 2 to 8, got 1"),
        (["resnet20", "2", "2"], "QUANTIZE_DOWNSAMPLING must be 1 or 0 (true or false), got '2'"),
        (["resnet21", "2", "1"], "no network is called 'resnet21'; did you mean"),
        (["resnet20", "2", "1", "--method", "aoqq"], "unknown method 'aoqq'; did you mean aoq"),
        (["resnet20", "2", "1", "--data", "cifar"], "no data set is called 'cifar'"),
        (["resnet20", "2", "1", "--data", "/no/where"], "there is no folder /no/where"),
        (["resnet20", "2", "1", "--data", "cifar10"], "pass --download"),
        (["resnet20", "2", "1", "--checkpoint", "no.pth"], "no.pth does not exist"),
        (["resnet20", "2", "1", "--epochs", "x"], "--epochs must be a whole number, got 'x'"),
        (["resnet20", "2", "1", "--epochs", "0"], "epochs must be a whole number of at least 1, got 0"),
        (["resnet20", "2", "1", "--epochs"], "--epochs: expected one argument"),
        (["resnet20", "2", "1", "--lr", "-1"], "lr must be in (0, inf), got -1.0"),
        (["resnet20", "2", "1", "--epoch", "3"], "unknown option '--epoch'; did you mean --epochs"),
        (["resnet20", "2", "1", "--arch", "x"], "unknown option '--arch'"),
        (["resnet20", "2", "1", "4"], "unknown word '4'"),
        (["resnet20", "2", "1", "--shortcut", "C"], "--shortcut: invalid choice: 'C' (choose from"),
        (["resnet20", "2", "1", "--name", "a/b"], "name must be letters"),
        (["resnet20", "2", "1", "--method-options", "shrink_min"], "takes names and values in turn"),
        (["resnet20", "2", "1", "--method-options", "shrink", "1"], "has no option 'shrink'; it has shrink_min"),
        (["resnet20", "2", "1", "--method-options", "shrink_min", "x"], "shrink_min must be a number, got 'x'"),
        (["resnet20", "2", "1", "--method-options", "shrink_min", "7"], "shrink_min must be in (0, 1], got 7.0"),
    ],
)
def test_a_wrong_line_is_one_sentence_before_anything_is_written(untouched, capsys, words, said):
    assert cli.main(["train", *words]) == 2
    assert said in error_of(capsys)


def test_an_unknown_run_is_answered_with_those_there_are(project, capsys):
    assert cli.main(["resume", "nix"]) == 2
    assert "there is no run 'nix'; there are: none yet" in error_of(capsys)
    assert cli.main(["runs"]) == 0
    assert capsys.readouterr().out == f"There are no runs in {project / 'data' / 'runs'} yet.\n"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (DivergedError("the loss is nan"), 1),
        (CheckpointError("no checkpoint\ncan be used"), 1),
        (RunBusyError("another process"), 1),
        (NotWrittenError(errno.ENOSPC, "not written"), 1),
        (PermissionError(errno.EACCES, "not permitted"), 1),
        (ConnectionError("no network"), 1),
        (RunExistsError("there is a run"), 2),
        (FileNotFoundError("there is no folder"), 2),
        (Stopped("stopped at step 3"), 130),
        (KeyboardInterrupt(), 130),
    ],
)
def test_what_a_user_can_fix_is_one_line_and_a_status(project, monkeypatch, capsys, error, status):
    def fail(config):
        raise error

    monkeypatch.setattr(training, "train", fail)
    assert cli.main(LINE) == status
    assert error_of(capsys) == (" ".join(str(error).split()) or "interrupted")


@pytest.mark.parametrize("error", [ValueError("of another package"), RuntimeError("out of memory"), KeyError("x")])
def test_an_unknown_error_keeps_its_traceback(project, monkeypatch, error):
    def fail(config):
        raise error

    monkeypatch.setattr(training, "train", fail)
    with pytest.raises(type(error)):
        cli.main(LINE)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_run_that_diverges_says_what_to_do(project, capsys):
    assert cli.main([*LINE, "--method", "fp32", "--lr", "1e30"]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("aoqlab: the loss is ")
    assert "lower the learning rate (now 1e+30)" in said


def test_a_run_that_another_process_trains_is_left_alone(project, capsys):
    folder = RunFolder.create("held", "", lambda name: {"settings": TrainConfig(name=name).to_dict(), "threads": 1})
    assert cli.main(["resume", "held"]) == 1
    assert "another process is training in" in error_of(capsys)
    folder.release()


def test_a_full_disk_is_one_line(project, capsys, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store, "write_atomic", full)
    assert cli.main([*LINE, "--method", "fp32"]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert "No space left on device" in said


def test_both_values_of_the_third_word_train_and_differ_in_the_shortcuts(project):
    layers = {}
    for word in ("1", "0"):
        assert cli.main(["resnet20", "2", word, *QUICK, "--batch-size", "448", "--name", f"r{word}"]) == 0
        table = pd.read_parquet(project / "data" / "runs" / f"r{word}" / "layers.parquet")
        layers[word] = set(table.loc[table["weight_bits"].notna(), "layer"])
    assert layers["0"] < layers["1"]
    assert layers["1"] - layers["0"] == {"layer2.0.shortcut.0", "layer3.0.shortcut.0"}


@pytest.mark.parametrize("words", [["train", "--help"], ["resnet20", "-h"], ["resnet20", "2", "1", "--help"]])
def test_help_fits_80_columns_and_has_every_method_and_option_once(project, capsys, words):
    assert cli.main(words) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    options = re.findall(r"^ {2}(?:-h, )?(--[a-z-]*[a-z])", out, flags=re.MULTILINE)
    names = [f"--{f.name.replace('_', '-')}" for f in dataclasses.fields(TrainConfig)]
    hidden = {"--arch", "--bits", "--quantize-downsampling"}
    assert sorted(options) == sorted({*names, "--resume", "--help"} - hidden)
    for name in methods.names():
        assert f"\n{name} " in out
        for option in methods.options_of(name):
            assert option in out


def test_help_needs_no_more_than_ascii(project, monkeypatch):
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    assert cli.main(["train", "--help"]) == 0
    out.flush()
    assert b"--method-options" in out.buffer.getvalue()


def test_help_ends_quietly_when_its_reader_has_seen_enough(project):
    read, write = os.pipe()
    os.close(read)  # as `| head` does
    command = [sys.executable, "-m", "aoqlab", "train", "--help"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("method", "words", "values"),
    [
        ("aoq", (), {}),
        ("aoq", ("shrink_min", "0.5", "dampening", "0"), {"shrink_min": 0.5, "dampening": 0.0}),
        ("aoq", ("staircase", "4"), {"staircase": 4}),
        ("lsq", ("per_channel", "yes", "activations", "ltq"), {"per_channel": True, "activations": "ltq"}),
        ("statsq", ("per_channel", "0"), {"per_channel": False}),
    ],
)
def test_options_of_a_method_take_the_type_of_their_default(method, words, values):
    found = cli_training.method_options(method, words)
    assert found == values
    assert [type(value) for value in found.values()] == [type(value) for value in values.values()]
    methods.get(method, **found)


def settings_of(*words):
    parser = Parser()
    cli_training.add_options(parser)
    options = parse(parser, words, parser)
    return cli_training.settings(options), options.resume


def test_every_option_reaches_the_settings(project):
    line = "resnet20 4 0 --method lsq --activation-bits 32 --skip layer3.* conv1 --download --label-smoothing 0.1"
    config, resume = settings_of(*line.split(), "--batch_size", "32", "--compile", "no", "--resume")
    assert resume
    assert config == TrainConfig(
        arch="resnet20",
        bits=4,
        quantize_downsampling=False,
        method="lsq",
        activation_bits=32,
        skip=("layer3.*", "conv1"),
        download=True,
        label_smoothing=0.1,
        batch_size=32,
        compile="no",
    )
    assert type(config) is TrainConfig
    assert settings_of("resnet20", "2", "True") == (TrainConfig(), False)


def test_what_is_left_open_does_not_differ():
    stored = TrainConfig(epochs=5, lr=0.1, device="cuda", name="x", skip=("a",)).to_dict()
    assert cli_training.differences(TrainConfig(name="y", download=True, skip=("a",)), stored) == []
    assert cli_training.differences(TrainConfig(device="cpu"), stored) == [
        "skip is ['a'], not []",
        "device is cuda, not cpu",
    ]


def test_the_table_of_runs_is_aligned():
    table = pd.DataFrame(
        {
            "run": ["a", "a-longer-name"],
            "method": ["fp32", "lsq+dampen"],
            "bits": pd.array([None, 3], dtype="Int64"),
            "seed": [0, 12],
            "epochs_done": [40, 0],
            "epochs": [40, 250],
            "accuracy": [0.98765, None],
            "finished": [True, False],
        }
    )
    assert cli_training.runs_text(table).splitlines() == [
        "run            method      bits  seed  epochs  accuracy  finished",
        "-------------  ----------  ----  ----  ------  --------  --------",
        "a              fp32           -     0  40/40     98.77%  yes",
        "a-longer-name  lsq+dampen     3    12  0/250          -  no",
    ]
