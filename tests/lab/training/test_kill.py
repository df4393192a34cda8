"""A run killed at any moment resumes, and ends as one that was never killed, bit for bit."""

import os
import random
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from safetensors.torch import load_file

from aoqlab.lab.training import TrainConfig, resume, train
from aoqlab.lab.training.checkpoint import CheckpointWarning, load, saved
from aoqlab.lab.training.engine import Stopped

SETTINGS = {
    "arch": "digits_cnn", "epochs": 8, "start_epochs": 1, "device": "cpu", "threads": 1, "batch_size": 64,
}  # fmt: skip
CHILD = """
import sys
from aoqlab.lab.training import TrainConfig, resume, train
from aoqlab.lab.training.folder import RunFolder
import json
settings = json.loads(sys.argv[1])
try:
    RunFolder.named(settings["name"])
except FileNotFoundError:
    train(TrainConfig(**settings), quiet=True)
else:
    resume(settings["name"], quiet=True)
"""


def outcome(folder):
    names = ("metrics", "history", "levels", "intervals", "transitions")
    tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in names}
    return tables, [load_file(folder / "model.safetensors"), load(saved(folder)[0]).tensors]


def assert_identical(a, b):
    for name, table in a[0].items():
        pd.testing.assert_frame_equal(table, b[0][name], check_exact=True)
    for one, two in zip(a[1], b[1], strict=True):
        assert one.keys() == two.keys()
        assert all(one[key].numpy().tobytes() == two[key].numpy().tobytes() for key in one)


@pytest.mark.parametrize(("method", "kills"), [("aoq", 10), ("lsq+freeze", 3)])
def test_killed_at_random_moments_it_ends_bit_for_bit_the_same(method, kills, project):
    import json

    train(TrainConfig(**SETTINGS, method=method, name="whole"), quiet=True)
    folder = project / "data" / "runs" / "killed"
    settings = json.dumps({**SETTINGS, "method": method, "name": "killed"})
    moments = random.Random(0)
    killed = 0
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for attempt in range(60):
        process = subprocess.Popen([sys.executable, "-c", CHILD, settings], env=environment)
        if killed < kills:
            # Importing takes most of a short life: wait until it trains, then strike at a random moment.
            before, deadline = {p.name for p in saved(folder)}, time.monotonic() + 60
            first = attempt % 3 == 0  # at times before it has come to a checkpoint of its own
            while process.poll() is None and time.monotonic() < deadline:
                if first or {p.name for p in saved(folder)} != before:
                    break
                time.sleep(0.002)
            time.sleep(moments.uniform(0, 3.5 if first else 0.15))
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                killed += 1
        if process.wait() == 0:
            break
    assert (folder / "result.json").is_file()
    assert killed >= kills
    assert_identical(outcome(project / "data" / "runs" / "whole"), outcome(folder))


def test_ctrl_c_ends_with_a_checkpoint_in_the_middle_of_an_epoch(project):
    train(TrainConfig(**SETTINGS, name="whole"), quiet=True)
    stopped = []

    def press(row, trainer):
        if row["epoch"] == 3 and not stopped:
            advance = trainer.advance

            def at_step(steps):
                advance(steps)
                if trainer.step % trainer.steps_per_epoch == 5:
                    stopped.append(trainer.step)
                    os.kill(os.getpid(), signal.SIGINT)

            trainer.advance = at_step

    with pytest.raises(Stopped, match=r"stopped at step 68 of 168; resume with: bash run\.sh resume pressed"):
        train(TrainConfig(**SETTINGS, name="pressed"), quiet=True, on_epoch=press)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    result = resume("pressed", quiet=True)
    assert result.result["steps"] == 168
    assert_identical(outcome(project / "data" / "runs" / "whole"), outcome(result.folder))


def test_a_truncated_checkpoint_is_refused_by_name_and_the_one_before_used(project):
    train(TrainConfig(**SETTINGS, name="whole"), quiet=True)

    def stop(row, trainer):
        if row["epoch"] == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(TrainConfig(**SETTINGS, name="hurt"), quiet=True, on_epoch=stop)
    newest, _ = saved(project / "data" / "runs" / "hurt")
    newest.write_bytes(newest.read_bytes()[:1000])
    with pytest.warns(CheckpointWarning, match=f"{newest.name}.*truncated.*resuming from checkpoint-00000063"):
        result = resume("hurt", quiet=True)
    assert_identical(outcome(project / "data" / "runs" / "whole"), outcome(result.folder))
