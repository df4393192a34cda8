from dataclasses import replace

import numpy as np
import pytest
import torch

from aoqlab import ThreeStage
from aoqlab.lab.toy.engine import EnsembleState
from aoqlab.lab.toy.problem import noise
from aoqlab.lab.toy.regression import RegressionProblem, RunConfig, make_data, run_ensemble

SMALL = RegressionProblem(n_weights=60, n_samples=40, batch_size=8, epochs=24)
WILD = ThreeStage(shrink_min=0.4, dampening=0.5)
PLAIN = [
    RunConfig("lsq", lr=1e-2, step_init=1.0),
    RunConfig("aoq", lr=3e-3),
    RunConfig("aoq", lr=1e-2, schedule=WILD),
]
SPECIAL = [
    RunConfig("aoq", lr=1e-2, schedule=WILD, coupled=True),
    RunConfig("aoq", lr=1e-2, schedule=replace(WILD, perturbation=0.1)),
    RunConfig("aoq", lr=1e-2, schedule=replace(WILD, perturbation=0.03, shrink_until=0.5)),
]


def state_of(configs, seed=0):
    return EnsembleState(configs, SMALL, make_data(SMALL, seed, dtype=torch.float64), "cpu")


def measured(result):
    """The table of runs from the seed on; the settings before it take other dtypes in other company."""
    return result.runs.loc[:, "seed":]


def test_noise_depends_on_seed_and_step_alone_and_is_standard_normal():
    drawn = noise(3, 5, 10_000)
    torch.manual_seed(1)
    assert torch.equal(noise(3, 5, 10_000), drawn)
    others = [noise(*numbers, 10_000) for numbers in ((3, 6), (4, 5), (5, 3), (3, 5 + 2**32))]
    for other in others:
        assert abs(float(torch.corrcoef(torch.stack([drawn, other]))[0, 1])) < 0.05
    assert float(drawn.mean()) == pytest.approx(0, abs=0.05)
    assert float(drawn.std()) == pytest.approx(1, abs=0.05)


def test_a_coupled_run_that_holds_its_levels_is_the_decoupled_run(path):
    held = replace(WILD, levels_learn=False)
    states = [state_of([RunConfig("aoq", lr=1e-2, schedule=held, coupled=coupled)]) for coupled in (False, True)]
    for state in states:
        state.advance(SMALL.steps)
        assert torch.equal(state.step, state.start)
    assert torch.equal(states[0].weights, states[1].weights)


def test_plain_runs_do_not_notice_special_ones_and_all_keep_their_places():
    mixed = [SPECIAL[0], PLAIN[0], SPECIAL[1], *PLAIN[1:], SPECIAL[2]]
    plain = run_ensemble(PLAIN, [0, 4], SMALL, records=4, trajectories=2, intervals=True)
    every = run_ensemble(mixed, [0, 4], SMALL, records=4, trajectories=2, intervals=True)
    places = [place + 6 * seed for seed in range(2) for place, config in enumerate(mixed) if config in PLAIN]
    assert measured(every).loc[places].reset_index(drop=True).equals(measured(plain))
    assert every.runs["seed"].tolist() == [0] * 6 + [4] * 6
    assert every.runs["coupled"].tolist() == [config.coupled for config in mixed] * 2
    number = dict(zip(places, range(6), strict=True))
    for name in ("history", "trajectories", "intervals"):
        table = getattr(every, name)
        own = table[table["run"].isin(places)].reset_index(drop=True)
        assert own.assign(run=own["run"].map(number)).equals(getattr(plain, name)), name
    assert np.array_equal(every.codes[places], plain.codes)
    assert np.array_equal(every.transitions[places], plain.transitions)


def test_with_separate_losses_nothing_measured_in_a_run_depends_on_its_neighbours(kernels):
    own = [*PLAIN, *SPECIAL]
    together = run_ensemble(own, [1], SMALL, records=3, intervals=True, separate_losses=True)
    for index, config in enumerate(own):
        alone = run_ensemble([config], [1], SMALL, records=3, intervals=True, separate_losses=True)
        assert measured(together).loc[[index]].reset_index(drop=True).equals(measured(alone))
        for name in ("history", "intervals"):
            table = getattr(together, name)
            assert (
                table[table["run"] == index]
                .reset_index(drop=True)
                .drop(columns="run")
                .equals(getattr(alone, name).drop(columns="run"))
            ), name


def test_looking_at_the_step_sizes_changes_no_run(kernels):
    quiet, watched = (run_ensemble(PLAIN, [2], SMALL, records=5, intervals=on) for on in (False, True))
    assert quiet.runs.equals(watched.runs)
    assert quiet.history.equals(watched.history)
    assert quiet.intervals.empty


def test_step_sizes_are_summed_up_over_the_blocks_between_records(path):
    result = run_ensemble(PLAIN, [2], SMALL, records=5, intervals=True, dtype=torch.float64)
    blocks = result.intervals
    assert blocks["progress"].tolist() == pytest.approx(np.repeat([0.2, 0.4, 0.6, 0.8, 1.0], len(PLAIN)))
    assert (blocks["steps"] == SMALL.steps // 5).all()
    state, series = state_of(PLAIN, seed=2), []
    for _ in range(SMALL.steps + 1):
        series.append(state.step.numpy().copy())
        state.advance(1)
    for run in range(len(PLAIN)):
        own = blocks[blocks["run"] == run]
        for block, row in enumerate(own.itertuples()):
            s = np.array(series)[24 * block : 24 * (block + 1) + 1, run]
            moves = np.diff(s)
            assert row.movement == pytest.approx(np.abs(moves).sum() / s.mean(), abs=1e-15)
            assert row.detrended_movement == pytest.approx(np.abs(moves - moves.mean()).sum() / s.mean(), abs=1e-15)
            still = moves[moves != 0]
            turned = (still[1:] * still[:-1] < 0).mean() if len(still) > 1 else 0.0
            assert row.reversal_rate == pytest.approx(turned)
    assert (blocks["movement"] > 0).sum() > len(blocks) / 2
