"""Runs side by side."""

import os
import pickle
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import torch

from aoqlab.lab import datasets
from aoqlab.lab.training import train
from aoqlab.lab.training.evaluate import evaluate
from aoqlab.lab.training.sweep import Outcome, RunFailedError, outcomes, sweep

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
    assert (a.model is None) == (b.model is None)
    if a.model is not None:
        first, second = a.model.state_dict(), b.model.state_dict()
        assert list(first) == list(second)
        assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture
def calls(monkeypatch):
    """The settings that were trained, in order, in this process."""
    seen = []

    def counted(config, **options):
        seen.append(config)
        return train(config, **options)

    monkeypatch.setattr("aoqlab.lab.training.sweep.train", counted)
    return seen


def test_results_come_in_order_and_do_not_depend_on_the_number_of_jobs(configs):
    done = []
    alone, pair = sweep(configs, jobs=1, models=True), sweep(configs, jobs=2, models=True, progress=done.append)
    for config, a, b in zip(configs, alone, pair, strict=True):
        assert (a.config.method, a.config.seed, a.config.threads) == (config.method, config.seed, 1)
        assert_same(a, b)
    assert done == [1, 1, 1, 1]


def test_a_run_of_a_sweep_is_the_run_by_itself(configs, threads):
    threads(2)
    (outcome,) = sweep(configs[:1], jobs=1)
    assert torch.get_num_threads() == 2
    single = train(outcome.config, keep=False, quiet=True)
    assert timeless(outcome.result) == timeless(single.result)
    for name in MEASURED:
        pd.testing.assert_frame_equal(outcome.tables[name], single.tables[name], check_exact=True)


def test_starts_are_shared_where_they_are_the_same(small, calls):
    configs = [
        small(method="lsq", epochs=1),
        small(method="aoq", epochs=1, bits=3, lr=2e-3, method_options={"shrink_min": 0.5}),
        small(method="lsq", epochs=1, start_lr=1e-3),
        small(method="lsq", epochs=1, seed=1),
        small(method="fp32", epochs=1),
    ]
    outcomes = sweep(configs, jobs=1)
    assert [c.method for c in calls] == ["fp32"] * 3 + [c.method for c in configs]
    accuracies = [o.result["accuracy_start"] for o in outcomes]
    assert accuracies[0] == accuracies[1]
    assert len(set(accuracies[:4])) == 3


def test_a_run_that_brings_its_own_start_gets_no_other(small, calls, tmp_path):
    from safetensors.torch import save_file

    start = train(small(method="fp32", epochs=1), keep=False, quiet=True)
    file = tmp_path / "start.safetensors"
    save_file({k: v.contiguous() for k, v in start.model.state_dict().items()}, file)
    (outcome,) = sweep([small(checkpoint=str(file), epochs=1)], jobs=1)
    assert len(calls) == 1
    assert outcome.result["accuracy_start"] == start.result["accuracy"]


def test_models_come_back_only_when_asked_for_and_compute_what_was_measured(configs):
    light, heavy = sweep(configs[:1], jobs=1), sweep(configs[:1], jobs=1, models=True)
    assert light[0].model is None
    assert len(pickle.dumps(light)) < 60_000  # the weights alone would be 95,000
    net = pickle.loads(pickle.dumps(heavy[0].model))
    assert not net.training
    _, accuracy = evaluate(net, datasets.load("digits").test.batches(256))
    assert accuracy == heavy[0].result["accuracy"]
    assert len(np.unique(net.conv2.weight.detach())) == 4


def layers_and_start(result):
    return len(result.tables["layers"]), next(result.start.parameters()).sum().item()


@pytest.mark.parametrize("jobs", [1, 2])
def test_each_result_is_looked_at_where_it_was_made(jobs, small):
    configs = [small(method=method, epochs=1) for method in ("lsq", "aoq")]
    found = dict(outcomes(configs, jobs=jobs, measure=layers_and_start))
    assert [found[place].config.method for place in range(2)] == ["lsq", "aoq"]
    assert found[0].measured == found[1].measured == (4, found[0].measured[1])


def test_results_come_once_they_are_done_and_nothing_more_is_trained_than_asked_for(small, calls):
    results = outcomes([small(method="fp32", epochs=1, seed=seed) for seed in range(3)], jobs=1)
    assert next(results)[0] == 0
    results.close()
    assert len(calls) < 3


def test_kept_starts_are_read_and_give_the_same_run_to_the_bit(small, calls, tmp_path):
    config = small(method="aoq", epochs=1)
    plain, made, read = (
        dict(outcomes([config], jobs=1, models=True, starts=starts))[0] for starts in (None, tmp_path, tmp_path)
    )
    assert [c.method for c in calls] == ["fp32", "aoq", "fp32", "aoq", "aoq"]
    assert_same(plain, made)
    assert_same(plain, read)
    (file,) = tmp_path.glob("start-digits_cnn-digits-*.entry")
    file.write_bytes(file.read_bytes()[:-10])
    assert_same(plain, dict(outcomes([config], jobs=1, models=True, starts=tmp_path))[0])
    assert [c.method for c in calls[5:]] == ["fp32", "aoq"], "a damaged file is made again"


def test_reading_a_start_draws_no_random_numbers(small, tmp_path):
    config = small(method="lsq", epochs=1)
    for _ in range(2):
        before = torch.random.get_rng_state()
        dict(outcomes([config], jobs=1, starts=tmp_path))
        assert torch.equal(before, torch.random.get_rng_state())


def test_nothing_to_do_is_no_error():
    assert sweep([]) == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_names_the_run_and_ends_the_sweep(jobs, small):
    begun, endless = small(method="lsq", epochs=1), [small(method="lsq", epochs=10_000 + i) for i in range(3)]
    started = time.monotonic()
    with pytest.raises(RunFailedError, match=r"^digits_cnn-digits-aoq-2bit-seed0, lr 1e\+30: DivergedError: the loss"):
        sweep([begun, small(lr=1e30), *endless], jobs=jobs)
    assert time.monotonic() - started < 60
    assert len(sweep([begun], jobs=jobs)) == 1  # the next one finds workers


def test_a_start_that_fails_is_named_as_one(small):
    with pytest.raises(RunFailedError, match="full-precision start of digits_cnn-digits-aoq-2bit-seed0: DivergedError"):
        sweep([small(start_lr=1e30)], jobs=1)


SCRIPT = """
import sys
from aoqlab.lab.training import TrainConfig
from aoqlab.lab.training.sweep import sweep

def configs(epochs):
    settings = {"arch": "digits_cnn", "method": "lsq", "epochs": epochs, "start_epochs": 1}
    return [TrainConfig(**settings, seed=seed) for seed in range(2)]

print(len(sweep(configs(1), jobs=2, progress=lambda runs: print(runs, flush=True))), flush=True)
print("interrupted from here on", file=sys.stderr, flush=True)
sweep(configs(10_000), jobs=2)
"""


def test_workers_say_nothing_and_ctrl_c_ends_them():
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", SCRIPT], start_new_session=True, **pipes)
    try:
        assert [process.stdout.readline() for _ in range(3)] == ["1\n", "1\n", "2\n"]
        assert process.stderr.readline() == "interrupted from here on\n"
        time.sleep(2)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process of the group
        process.communicate(timeout=60)
        assert process.returncode not in (None, 0)
        until = time.monotonic() + 20
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
