"""Bad command lines: each gives one sentence and exit status 2, begins nothing and leaves no file behind."""

import os

import pytest

from aoqlab.lab.claims import running
from aoqlab.lab.cli import commands as cli
from aoqlab.lab.training.engine import Trainer

DIGITS = ("digits_cnn", "2", "1")
REPRODUCE = ("reproduce", "--no-report")
LONG, HUGE = "n" * 300, "9" * 26
COUNTS = ("epochs", "start-epochs", "batch-size", "image-size", "threads", "track-every", "record-every", "eval-every")
NO_COUNTS = ("0", "-1", "1.5", "x", "", "nan", HUGE)
NO_PATHS = (
    "/no/where",
    "nowhere",
    LONG,
    f"x/{LONG}",
    "file.txt",
    "x/loop",
    "dangling",
    "empty",
    "a\0b",
    "/dev/null",
    "",
)
NO_CHECKPOINTS = (*NO_PATHS, "junk.pth")

# option -> values that it does not take, and what the sentence has to name
TRAINING = {
    **{f"--{name}": (NO_COUNTS, name.replace("-", "_")) for name in COUNTS},
    "--seed": (("-1", "x", "1.5", "2**3", HUGE), "seed"),
    "--lr": (("0", "-1", "nan", "inf", "x", "", "1,5", "1e999"), "lr"),
    "--start-lr": (("0", "-1", "nan", "inf"), "start_lr"),
    "--weight-decay": (("-1", "nan", "inf", "x"), "weight_decay"),
    "--hard-labels": (("-0.1", "1.1", "nan", "x"), "hard_labels"),
    "--label-smoothing": (("-0.1", "1", "nan", "x"), "label_smoothing"),
    "--activation-bits": (("1", "9", "0", "-3", "16", "x", "31", HUGE), "bits"),
    "--device": (("gpu", "cuda:-1", "cuda:x", "tpu", "", f"cuda:{HUGE}"), "device"),
    "--mixed-precision": (("fp8", "", "FP16"), "mixed_precision"),
    "--compile": (("maybe", "1", ""), "compile"),
    "--shortcut": (("C", "", "a"), "shortcut"),
    "--name": (("a/b", "..", "", ".x", "a b", LONG, "\u00e9", "a\0b", "-n"), "name"),
    "--data": (NO_PATHS, ""),
    "--checkpoint": (NO_CHECKPOINTS, ""),
    "--method": (("nix", "", "resnet", "aoq ", LONG), "method"),
    "--teacher": (("nix", "", LONG, "resnet20 "), ""),
    "--teacher-checkpoint": (("no.pth", "empty", ""), "teacher_checkpoint"),
    "--skip": (("",), "skip"),
    "--tensorboard": (("yes",), "yes"),
    "--download": (("1",), "1"),
    "--resume": (("yes",), "yes"),
    "--nix": (("1",), "--nix"),
}
REPRODUCING = {
    "--jobs": (("0", "-5", "x", "1.5", "", HUGE, "1000000"), "jobs"),
    "--seeds": (("0", "-1", "x", "1.5", HUGE, "100000"), "seeds"),
    "--budget": (("huge", "", "Quick"), "budget"),
    "--claim": (("nix", "", "Local-search"), "claim"),
    "--data": (("nix", ""), "data"),
    "--images": (("/no/where", "", "empty", "digits"), "images"),
    "--budget=cpu --images": (NO_PATHS, ""),
    "--budget=full --images": (NO_PATHS, ""),
}
OPTIONS = (
    *(["shrink_min", value] for value in ("x", "nan", "0", "", "1.1")),
    *(["staircase", value] for value in ("-1", "1.5", "x")),
    *(["dampening", value] for value in ("-1", "inf", "x")),
    *(["nix", "1"], ["shrink_min", "1", "dampening"], ["", ""], ["x"]),
)
LINES = [
    *((*DIGITS, option, value) for option, (values, _) in TRAINING.items() for value in values),
    *((*REPRODUCE, *option.split(), value) for option, (values, _) in REPRODUCING.items() for value in values),
    *((*DIGITS, "--method-options", *words) for words in OPTIONS),
    *(("digits_cnn", bits, "1") for bits in ("1", "9", "0", "16", "32")),
    *(("digits_cnn", "2", word) for word in ("2", "maybe", "-1", "")),
    *((arch, "2", "1") for arch in ("nix", "", LONG, "resnet21", "a\0b")),
    *((*DIGITS, "--data", "cifar10", "--root", root) for root in ("/no/where", "", "file.txt", LONG)),
    *((*DIGITS, "--teacher", "resnet20", "--teacher-checkpoint", file) for file in NO_CHECKPOINTS),
    *(
        (*DIGITS, *words)
        for words in (["--epochs"], ["--lr", "1", "2"], ["5"], ["--new-head"], ["--batch-size", "9999"])
    ),
    (*DIGITS, "--pretrained", "--checkpoint", "junk.pth"),
    ("resnet18", "2", "1", "--batch-size", "1"),
    ("resnet20", "2", "1", "--pretrained"),
    *((word,) for word in ("resnet20", "", "-", "--", "--nix", "-x", "nix", "tset", " ", LONG, "a\0b", "train")),
    *(("resnet20", *words) for words in (["2"], ["two", "1"], ["-2", "1"])),
    *(("train", *words) for words in (["resnet20"], ["--epochs", "3"])),
    *(("resume", *words) for words in ([], [""], ["nix"], [LONG], ["../x"], ["a\0b"], ["a", "b"], ["x/loop"], ["--x"])),
    *(("pack", *words) for words in ([], ["nix"], [""], [LONG], ["a\0b"], [".."], ["nix", "nix"])),
    *((name, word) for name in ("runs", "digits", "toy", "docs", "pictures") for word in ("x", "--nix")),
    *((name,) for name in ("docs", "lab", "bench", "test")),
    *((*REPRODUCE, word) for word in ("x", "--nix", "--claim", "--data", "--images", "--jobs")),
    ("toy", "--full", "x"),
    ("pictures", "--folder"),
]
NAMED = {
    (*start, *option.split(), value): said
    for start, table in ((DIGITS, TRAINING), (REPRODUCE, REPRODUCING))
    for option, (values, said) in table.items()
    for value in values
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A project with what can be in the way of a path."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("x", "empty"):
        (folder / name).mkdir()
    for name in ("file.txt", "junk.pth"):
        (folder / name).write_text("junk")
    (folder / "x" / "loop").symlink_to(folder / "x" / "loop")
    (folder / "dangling").symlink_to("nowhere")
    return folder


@pytest.fixture
def project(folder, monkeypatch):
    """The folder, in which nothing may begin."""

    def no_work(*_, **__):
        raise AssertionError("work began")

    monkeypatch.setenv("AOQLAB_ROOT", str(folder))
    monkeypatch.setenv("AOQLAB_CACHE", str(folder / "cache"))
    monkeypatch.delenv("AOQLAB_DATA", raising=False)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(Trainer, "epochs", no_work)
    monkeypatch.setattr(running, "_run", no_work)
    return folder


def shown(words):
    return " ".join(word[:12] or "''" for word in words).replace("\0", "NUL")


def files(folder):
    return sorted(os.path.join(place, name) for place, _, names in os.walk(folder) for name in names)


def test_there_are_enough_of_them():
    assert len(set(LINES)) == len(LINES) >= 300


@pytest.mark.parametrize("words", LINES, ids=shown)
def test_a_bad_line_is_one_sentence_and_status_2(project, capsys, words):
    before = files(project)
    assert cli.main(words) == 2
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert line.startswith("aoqlab: ") and len(line) > 20 and not line.endswith(":")
    assert "Errno" not in line and "Traceback" not in out
    assert NAMED.get(words, "").replace("-", "_") in line.replace("-", "_")
    assert files(project) == before
    assert not (project / "data" / "runs").exists()


def test_too_many_threads_are_refused_before_anything_begins(project, capsys, monkeypatch):
    monkeypatch.setattr("joblib.cpu_count", lambda: 2)
    for count in ("17", "1000"):
        assert cli.main([*DIGITS, "--threads", count]) == 2
        assert f"threads must be at most 16 on 2 cores, got {count}" in capsys.readouterr().err


def test_a_step_that_no_memory_holds_is_refused_before_anything_begins(project, capsys, monkeypatch):
    monkeypatch.setattr("aoqlab.lab.training.build.memory", lambda: 2 * 10**9)
    assert cli.main([*DIGITS, "--image-size", "2048"]) == 2
    said = capsys.readouterr().err
    assert "a training step of batch_size=64 images of 2048x2048 pixels needs" in said and "there are 2.0 GB" in said
