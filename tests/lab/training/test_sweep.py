"""Runs side by side."""

import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
import torch

from aoqlab.lab.shared.files import DamagedWarning
from aoqlab.lab.training import train
from aoqlab.lab.training.sweep import Outcome, RunFailedError, outcomes

MEASURED = ("metrics", "history", "levels", "intervals", "layers", "transitions")


@pytest.fixture
def configs(small):
    """Two methods on two seeds, and a run in full precision."""
    pairs = [("aoq", 1), ("lsq", 1), ("lsq", 0), ("fp32", 0)]
    return [small(method=method, seed=seed, threads=2) for method, seed in pairs]


def timeless(result):
    return {key: value for key, value in result.items() if key != "seconds"}


def assert_same(a: Outcome, b: Outcome):
    assert a.config == b.config
    assert timeless(a.result) == timeless(b.result)
    assert a.tables.keys() == b.tables.keys()
    for name in set(MEASURED) & set(a.tables):
        pd.testing.assert_frame_equal(a.tables[name], b.tables[name], check_exact=True)
    assert list(a.measured) == list(b.measured)
    assert all(torch.equal(value, b.measured[name]) for name, value in a.measured.items())


def weights(result):
    return {name: value.detach().clone() for name, value in result.model.state_dict().items()}


@pytest.fixture
def sweep(tmp_path):
    """Trains configurations, with starts kept for this test, and returns the outcomes in order."""

    def run(configs, jobs=1, starts=tmp_path / "starts", measure=weights):
        found = dict(outcomes(configs, jobs=jobs, starts=starts, measure=measure))
        return [found[place] for place in range(len(configs))]

    return run


@pytest.fixture
def calls(monkeypatch):
    """The settings that were trained, in order, in this process."""
    seen = []

    def counted(config, **options):
        seen.append(config)
        return train(config, **options)

    monkeypatch.setattr("aoqlab.lab.training.sweep.train", counted)
    return seen


def test_results_do_not_depend_on_the_number_of_jobs(configs, sweep):
    alone, pair = sweep(configs), sweep(configs, jobs=2)
    for config, a, b in zip(configs, alone, pair, strict=True):
        assert (a.config.method, a.config.seed, a.config.threads) == (config.method, config.seed, 1)
        assert_same(a, b)


def test_a_run_of_a_sweep_is_the_run_by_itself(configs, sweep, threads):
    threads(2)
    (outcome,) = sweep(configs[:1])
    assert torch.get_num_threads() == 2
    single = train(outcome.config, keep=False, quiet=True)
    assert timeless(outcome.result) == timeless(single.result)
    for name in MEASURED:
        pd.testing.assert_frame_equal(outcome.tables[name], single.tables[name], check_exact=True)


def test_starts_are_shared_where_they_are_the_same(small, calls, sweep):
    configs = [
        small(method="lsq", epochs=1),
        small(method="aoq", epochs=1, bits=3, lr=2e-3, method_options={"shrink_min": 0.5}),
        small(method="lsq", epochs=1, start_lr=1e-3),
        small(method="lsq", epochs=1, seed=1),
        small(method="fp32", epochs=1),
    ]
    found = sweep(configs)
    assert [c.method for c in calls] == ["fp32"] * 3 + [c.method for c in configs]
    accuracies = [o.result["accuracy_start"] for o in found]
    assert accuracies[0] == accuracies[1]
    assert len(set(accuracies[:4])) == 3


def test_a_run_that_brings_its_own_start_gets_no_other(small, calls, sweep, tmp_path):
    from safetensors.torch import save_file

    start = train(small(method="fp32", epochs=1), keep=False, quiet=True)
    file = tmp_path / "start.safetensors"
    save_file({k: v.contiguous() for k, v in start.model.state_dict().items()}, file)
    (outcome,) = sweep([small(checkpoint=str(file), epochs=1)])
    assert len(calls) == 1
    assert outcome.result["accuracy_start"] == start.result["accuracy"]


def layers_and_start(result):
    return len(result.tables["layers"]), next(result.start.parameters()).sum().item()


@pytest.mark.parametrize("jobs", [1, 2])
def test_each_result_is_looked_at_where_it_was_made(jobs, small, sweep):
    configs = [small(method=method, epochs=1) for method in ("lsq", "aoq")]
    found = sweep(configs, jobs, measure=layers_and_start)
    assert [outcome.config.method for outcome in found] == ["lsq", "aoq"]
    assert found[0].measured == found[1].measured == (4, found[0].measured[1])


def test_results_come_once_they_are_done_and_nothing_more_is_trained_than_asked_for(small, calls, tmp_path):
    configs = [small(method="fp32", epochs=1, seed=seed) for seed in range(3)]
    results = outcomes(configs, jobs=1, measure=weights, starts=tmp_path)
    assert next(results)[0] == 0
    results.close()
    assert len(calls) < 3


def test_kept_starts_are_read_and_give_the_same_run_to_the_bit(small, calls, sweep, tmp_path):
    config = small(method="aoq", epochs=1)
    (made,), (read,) = (sweep([config], starts=tmp_path) for _ in range(2))
    assert [c.method for c in calls] == ["fp32", "aoq", "aoq"]
    assert_same(made, read)
    (file,) = tmp_path.glob("start-digits_cnn-digits-*.entry")
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.warns(DamagedWarning, match="it is made again"):
        assert_same(made, *sweep([config], starts=tmp_path))
    assert [c.method for c in calls[3:]] == ["fp32", "aoq"], "a damaged file is made again"


def test_reading_a_start_draws_no_random_numbers(small, sweep):
    config = small(method="lsq", epochs=1)
    for _ in range(2):
        before = torch.random.get_rng_state()
        sweep([config])
        assert torch.equal(before, torch.random.get_rng_state())


def test_nothing_to_do_is_no_error(sweep):
    assert sweep([]) == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_names_the_run_and_ends_the_sweep(jobs, small, sweep):
    begun, endless = small(method="lsq", epochs=1), [small(method="lsq", epochs=10_000 + i) for i in range(3)]
    with pytest.raises(
        RunFailedError, match=r"^digits_cnn-digits-aoq-2bit-seed0, lr 0\.1: ValueError: skip pattern 'no'"
    ):
        sweep([begun, small(lr=0.1, skip=("no",)), *endless], jobs)  # returns at all
    assert len(sweep([begun], jobs)) == 1  # the next one finds workers


def test_a_run_that_diverges_says_so_and_the_others_continue(small, sweep):
    bad, good = sweep([small(lr=1e30), small(method="lsq", epochs=1)])
    assert bad.diverged and not bad.result and not bad.tables
    assert not good.diverged and good.result["accuracy"] > 0


def test_a_start_that_fails_is_named_as_one(small, sweep):
    with pytest.raises(RunFailedError, match="full-precision start of digits_cnn-digits-aoq-2bit-seed0: DivergedError"):
        sweep([small(start_lr=1e30)])


SCRIPT = """
import sys
from pathlib import Path
from aoqlab.lab.training import TrainConfig
from aoqlab.lab.training.sweep import outcomes

def run(epochs):
    settings = {"arch": "digits_cnn", "method": "lsq", "epochs": epochs, "start_epochs": 1}
    configs = [TrainConfig(**settings, seed=seed) for seed in range(2)]
    return len([print(1, flush=True) for _ in outcomes(configs, jobs=2, measure=id, starts=Path(sys.argv[1]))])

print(run(1), flush=True)
print("interrupted from here on", file=sys.stderr, flush=True)
run(10_000)
"""


def test_workers_say_nothing_and_ctrl_c_ends_them(tmp_path):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path)], start_new_session=True, **pipes)
    try:
        assert [process.stdout.readline() for _ in range(3)] == ["1\n", "1\n", "2\n"]
        assert process.stderr.readline() == "interrupted from here on\n"
        time.sleep(2)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process of the group
        process.communicate(timeout=240)
        assert process.returncode not in (None, 0)
        until = time.monotonic() + 120
        while group_lives(process.pid) and time.monotonic() < until:
            time.sleep(0.1)
        assert not group_lives(process.pid)
    finally:
        if group_lives(process.pid):
            os.killpg(process.pid, signal.SIGKILL)


def group_lives(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
