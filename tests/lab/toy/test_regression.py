import functools
import importlib.util
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from aoqlab import ThreeStage
from aoqlab.lab.toy.engine import EnsembleState, groups
from aoqlab.lab.toy.problem import noise
from aoqlab.lab.toy.regression import RegressionProblem, RunConfig, make_data, run_ensemble

LOOP = Path(__file__).parents[3] / "benchmarks" / "toy_loop.py"
SMALL = RegressionProblem(n_weights=70, n_samples=40, batch_size=8, epochs=24)  # 70: no whole number of vectors
WILD = ThreeStage(shrink_min=0.4, dampening=0.5)
CONFIGS = [
    RunConfig("lsq", lr=1e-2, step_init=1.0),
    RunConfig("lsq", lr=3e-3),
    RunConfig("aoq", lr=3e-3),
    RunConfig("aoq", lr=1e-2, schedule=WILD),
    RunConfig("aoq", lr=1e-2, step_init=0.7, schedule=replace(WILD, shrink_until=0.5, dampen_from=0.5, staircase=5)),
]
SPECIAL = [
    RunConfig("aoq", lr=1e-2, schedule=replace(WILD, levels_learn=False)),
    RunConfig("aoq", lr=3e-3, coupled=True),
    RunConfig("aoq", lr=1e-2, schedule=WILD, coupled=True),
    RunConfig("aoq", lr=1e-2, schedule=replace(WILD, perturbation=0.1, dampen_from=0.1)),
    RunConfig("aoq", lr=1e-2, step_init=0.7, schedule=replace(WILD, shrink_until=0.7, perturbation=0.03)),
    RunConfig("aoq", lr=1e-2, schedule=replace(WILD, perturbation=0.1), coupled=True),
]
TOGETHER = [[configs[i] for i in places] for configs in [CONFIGS + SPECIAL] for places in groups(configs)]


@pytest.fixture(scope="module")
def plain_loop():
    spec = importlib.util.spec_from_file_location("toy_loop", LOOP)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # dataclasses look there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def twin(plain_loop):
    """Trains a configuration by the plain loop with coupled AOQ, and with noise after the steps of its optimizer."""
    data = make_data(SMALL, 3, dtype=torch.float64)

    class Model(plain_loop.QuantizedLinear):
        def __init__(self, start, config, bits):
            super().__init__(start, config, bits)
            self.quantizer.coupled = config.coupled

    @functools.cache
    def train(config):
        def add_noise(optimizer, *_):
            weight = optimizer.param_groups[0]["params"][0]
            step = int(optimizer.state[weight]["step"]) - 1
            stage, interval = config.schedule(step / SMALL.steps), config.initial_step(data.start, SMALL.bits)
            drawn = noise(data.seed, step, SMALL.n_weights).double()
            weight.data += stage.perturbation * stage.shrink * interval * drawn

        handle = register_optimizer_step_post_hook(add_noise) if config.perturbation else None
        loop = plain_loop.train(SMALL, data, config)
        if handle is not None:
            handle.remove()
        return loop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain_loop, "QuantizedLinear", Model)
        yield train


def state_of(configs, problem=SMALL, seed=0, dtype=torch.float64):
    return EnsembleState(configs, problem, make_data(problem, seed, dtype=dtype), "cpu")


@pytest.mark.parametrize("together", TOGETHER)
def test_the_ensemble_trains_the_same_trajectory_as_the_plain_loop(together, twin, path):
    state = state_of(together, seed=3)
    state.advance(50)
    state.advance(SMALL.steps)
    tracker = state.tracker
    for index, config in enumerate(together):
        loop = twin(config)
        torch.testing.assert_close(state.weights[index], loop.weight, rtol=1e-9, atol=1e-11)
        own = loop.quantizer.level_interval if config.method == "aoq" else loop.quantizer.step
        torch.testing.assert_close(state.step[index], own.detach(), rtol=1e-9, atol=1e-11)
        for name in ("crossings", "oscillations", "levels_visited", "initial", "current"):
            assert torch.equal(getattr(tracker, name)[str(index)], getattr(loop.tracker, name)), name
        torch.testing.assert_close(tracker.frequency[str(index)], loop.tracker.frequency)
        assert torch.equal(tracker.transitions[index], loop.tracker.transitions[0])
        ours, theirs = tracker.to_frame().iloc[index], loop.tracker.to_frame().iloc[0]
        for name in ("hamming_max_share", "distinct_configurations", "explored_volume", "steps"):
            assert ours[name] == pytest.approx(theirs[name]), name
        assert ours["crossings"] > 0  # otherwise the comparison would say little


def test_single_precision_follows_double_precision_until_codes_part():
    single, double = state_of(CONFIGS, dtype=torch.float32), state_of(CONFIGS)
    for state in (single, double):
        state.advance(20)
    torch.testing.assert_close(single.weights.double(), double.weights, rtol=0, atol=1e-5)


def test_splitting_the_training_changes_nothing(path):
    whole, parts = state_of(CONFIGS), state_of(CONFIGS)
    whole.advance(SMALL.steps)
    for steps in (1, 2, 40, SMALL.steps):
        parts.advance(steps)
    torch.testing.assert_close(whole.weights, parts.weights, rtol=1e-12, atol=1e-13)
    assert torch.equal(whole.tracker._crossings, parts.tracker._crossings)


def test_a_run_does_not_depend_on_its_neighbours(kernels, threads):
    together = state_of(CONFIGS)
    together.advance(SMALL.steps)
    threads(1)
    for index, config in enumerate(CONFIGS):
        alone = state_of([config])
        alone.advance(SMALL.steps)
        assert torch.equal(alone.weights[0], together.weights[index])


def test_the_start_has_zero_loss_and_the_papers_class_means():
    problem = RegressionProblem(n_weights=1000, n_samples=200, epochs=1)
    data = make_data(problem, 0, dtype=torch.float64)
    torch.testing.assert_close(data.inputs @ data.start, data.targets, rtol=0, atol=1e-9)
    assert float(data.start.std()) == pytest.approx(1.05, abs=0.06)
    for q in (-2, -1, 0, 1):  # a fifth of the directions is determined, so class means are 0.2 q
        assert float(data.start[data.true_weights == q].mean()) == pytest.approx(0.2 * q, abs=0.2)


def test_every_epoch_sees_every_sample_once():
    data = make_data(SMALL, 1)
    for epoch in data.batches.reshape(SMALL.epochs, -1):
        assert sorted(epoch.tolist()) == list(range(SMALL.n_samples))


def test_the_same_seed_gives_the_same_run_and_another_does_not():
    first, again, other = (run_ensemble(CONFIGS, [seed], SMALL, records=2) for seed in (5, 5, 6))
    assert first.runs.equals(again.runs)
    assert not np.allclose(first.runs["loss"], other.runs["loss"])


def test_tables_agree_with_each_other():
    result = run_ensemble(CONFIGS, [0, 7], SMALL, records=6, trajectories=3)
    runs, history = result.runs, result.history
    assert list(runs["seed"]) == [0] * 5 + [7] * 5
    assert sorted(history["step"].unique()) == [0, 20, 40, 60, 80, 100, 120]
    last = history[history["step"] == SMALL.steps].set_index("run").sort_index()
    for name in ("loss", "crossings", "explored_volume", "hamming"):
        np.testing.assert_allclose(last[name], runs[name], rtol=1e-12)
    first = history[history["step"] == 0]
    assert (first["crossings"] == 0).all() and (first["explored_volume"] == 0).all()
    assert len(result.trajectories) == 10 * 7 * 3
    for run in range(10):
        panel = result.pretrained_by_level(run)
        counts = panel["level"].value_counts().reindex(range(-2, 2), fill_value=0)
        assert counts.tolist() == np.bincount(result.codes[run], minlength=4).tolist()
        assert result.transitions[run].sum() > 0


def test_the_final_loss_is_that_of_the_final_codes():
    result = run_ensemble(CONFIGS, [2], SMALL, records=1, dtype=torch.float64)
    data = make_data(SMALL, 2, dtype=torch.float64)
    for run, row in result.runs.iterrows():
        values = (torch.from_numpy(result.codes[run]).double() - 2) * row["step_final"]
        loss = float((data.inputs @ values - data.targets).square().mean())
        assert loss == pytest.approx(row["loss"], rel=1e-12)
        true = np.mean(result.codes[run].astype(int) - 2 == data.true_weights.numpy())
        assert true == pytest.approx(row["true_codes"])


def test_without_shrink_and_dampening_thresholds_stay_and_only_late_levels_move():
    config = RunConfig("aoq", lr=1e-2, schedule=ThreeStage(shrink_min=1.0, dampening=0.0))
    state = state_of([config])
    start = float(state.step[0])
    state.advance(math.floor(0.2 * SMALL.steps))
    assert float(state.step[0]) == start
    state.advance(SMALL.steps)
    assert float(state.step[0]) != start
    assert float(state.threshold_step()[0]) == start


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: RunConfig("lsq", lr=0.0), "lr must be in"),
        (lambda: RunConfig("lsq", step_init=math.inf), "step_init must be in"),
        (lambda: RunConfig("lsq", coupled=True), "coupled=True is a variant of method 'aoq'"),
        (lambda: state_of([CONFIGS[2], SPECIAL[1]]), "need a state each"),
        (lambda: RegressionProblem(n_weights=10, n_samples=20), "must not exceed"),
        (lambda: RegressionProblem(batch_size=7), "must divide"),
        (lambda: RegressionProblem(bits=9), "bits must be"),
        (lambda: run_ensemble([], [0], SMALL), "need configurations"),
        (lambda: run_ensemble(CONFIGS, [1, 1], SMALL), "distinct seeds"),
        (lambda: run_ensemble(CONFIGS, [1], SMALL, records=0), "records must be a whole number of at least 1, got 0"),
        (lambda: run_ensemble(CONFIGS, [1], SMALL, records=10**10), "records must be a whole number of at most"),
        (
            lambda: run_ensemble(CONFIGS, [1], SMALL, trajectories=-1),
            "trajectories must be a whole number of",
        ),
        (lambda: run_ensemble(CONFIGS, [10**26], SMALL), "seed must be a whole number of at most"),
        (lambda: run_ensemble(CONFIGS, [1], RegressionProblem(10**9, 10**9)), "GB of memory"),
    ],
)
def test_bad_settings_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()
