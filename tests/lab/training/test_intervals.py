import itertools

import numpy as np
import pytest
import torch

from aoqlab import AOQ, LSQ
from aoqlab.lab.training.intervals import IntervalRecorder
from aoqlab.tracker.step_sizes import movement


def brute_force(series):
    moves = np.diff(series)
    size = np.abs(series).mean()
    reversals = [a * b < 0 for a, b in itertools.pairwise(moves)]
    return {
        "interval": series[-1],
        "movement": np.abs(moves).sum() / size,
        "detrended_movement": np.abs(moves - moves.mean()).sum() / size,
        "reversal_rate": np.mean(reversals),
        "lag1_correlation": ((moves - moves.mean())[1:] * (moves - moves.mean())[:-1]).sum()
        / ((moves - moves.mean()) ** 2).sum(),
    }


def test_the_statistics_match_the_formulas():
    series = 1 + 0.1 * np.random.default_rng(0).normal(size=(50, 3)).cumsum(0)
    got = movement(torch.tensor(series))
    assert got.keys() == brute_force(series[:, 0]).keys()
    for layer in range(3):
        for name, value in brute_force(series[:, layer]).items():
            assert float(got[name][layer]) == pytest.approx(value, rel=1e-12), name


def test_a_steady_widening_is_movement_but_no_detrended_movement():
    got = movement(torch.linspace(1, 2, 101, dtype=torch.float64).unsqueeze(1))
    assert float(got["movement"]) == pytest.approx(1 / 1.5)
    assert float(got["detrended_movement"]) == pytest.approx(0, abs=1e-12)
    assert float(got["reversal_rate"]) == 0


def test_a_step_size_that_goes_to_and_fro_reverses_at_every_step():
    got = movement(torch.tensor([1.0, 1.1] * 20, dtype=torch.float64).unsqueeze(1))
    assert float(got["reversal_rate"]) == 1
    assert float(got["lag1_correlation"]) < -0.9


def test_one_that_rests_gives_zeros_not_nan():
    got = movement(torch.ones(10, 2, dtype=torch.float64))
    assert got.pop("interval").tolist() == [1, 1]
    assert all(value.tolist() == [0, 0] for value in got.values())


def test_the_recorder_joins_epochs_and_can_be_stopped_and_continued():
    quantizers = {"a": LSQ(2), "b": AOQ(2, per_channel=True).init_from(torch.randn(3, 5)), "c": torch.nn.Identity()}
    quantizers.pop("c")
    recorder = IntervalRecorder(quantizers)
    seen = []

    def move(by):
        for q in quantizers.values():
            q.learned_step.data.add_(by)
        recorder.record()
        seen.append(float(quantizers["a"].step.detach()))

    start = float(quantizers["a"].step.detach())
    for by in (0.1, -0.05, 0.2):
        move(by)
    recorder.close_epoch(1)
    move(0.3)
    running, rows = recorder.state().clone(), list(recorder.rows)
    other = IntervalRecorder(quantizers)
    other.restore(running, rows)
    for r in (recorder, other):
        r.close_epoch(2)
    assert recorder.rows == other.rows
    first, second = (r for r in recorder.rows if r["layer"] == "a")
    assert first["movement"] == pytest.approx(0.35 / np.mean([start, *seen[:3]]), rel=1e-5)
    assert second["movement"] == pytest.approx(0.3 / np.mean(seen[2:]), rel=1e-5)


def test_without_learned_step_sizes_nothing_is_recorded():
    recorder = IntervalRecorder({})
    recorder.record()
    recorder.close_epoch(1)
    assert recorder.rows == []
    recorder.restore(recorder.state(), [])
