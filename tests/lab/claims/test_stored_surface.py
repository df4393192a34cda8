"""The stored surface holds what training gives, run by run and weight by weight."""

import numpy as np
import pandas as pd
import pytest

from aoqlab.lab.claims import experiments as plans
from aoqlab.lab.claims import stored_surface, toy_runs
from aoqlab.lab.shared.files import write_all_atomic
from aoqlab.lab.toy import samples, surface
from aoqlab.lab.toy.regression import RegressionProblem, run_ensemble

TINY = RegressionProblem(n_weights=60, n_samples=40, batch_size=20, epochs=20)
SEEDS = (3, 1)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The folder with the surface of two seeds, and the tables that it was written from."""
    folder = tmp_path_factory.mktemp("results")
    experiment = plans._toy("tiny", TINY, len(SEEDS))
    tables = toy_runs.run(TINY, surface.settings(), SEEDS, folder=folder / "runs", sampled=surface.settings())
    write_all_atomic(stored_surface.files(folder, experiment, tables))
    return folder, tables


def test_both_methods_are_tuned_over_equally_many_settings():
    configs = list(surface.settings().values())
    methods = [c.method for c in configs]
    assert methods.count("aoq") == methods.count("lsq") == len(configs) // 2
    assert len(set(configs)) == len(configs)
    assert {0.1, 1.0, surface.PUBLISHED_SHRINK} <= set(surface.SHRINK_MINS)
    published = surface.settings()["aoq"], surface.settings()["lsq"]
    assert [c.lr for c in published] == [surface.PUBLISHED_LR] * 2


def test_every_run_is_there_over_its_steps(written):
    folder, tables = written
    stored = stored_surface.load("tiny", folder)
    assert stored.problem == TINY
    moments = stored.history["step"].nunique()
    assert moments == toy_runs.RECORDS // stored_surface.EVERY + 1
    assert len(stored.history) == len(surface.settings()) * len(SEEDS) * moments
    last = stored.history[stored.history["step"] == TINY.steps].reset_index(drop=True)
    np.testing.assert_array_equal(last["loss"], tables.runs["error"].astype(np.float32))
    np.testing.assert_allclose(last["crossings_per_weight"], tables.runs["crossings"] * TINY.steps / 1000, rtol=1e-5)
    np.testing.assert_allclose(last["explored_volume"], tables.runs["explored_volume"], rtol=1e-6)


def test_the_first_seed_has_its_single_weights(written):
    stored = stored_surface.load("tiny", written[0])
    configs = list(surface.settings().values())
    assert len(stored.runs) == len(stored.samples) == len(configs)
    assert set(stored.runs["seed"]) == {SEEDS[0]}
    for place in (0, 40, 100, 175):
        alone = run_ensemble([configs[place]], SEEDS[:1], TINY, records=20, trajectories=samples.FOLLOWED)
        for ours, own in zip(stored.samples[place], samples.sample_of(alone, 0), strict=True):
            np.testing.assert_array_equal(ours, own)
        assert stored.runs["method"][place] == configs[place].method
        assert stored.runs["lr"][place] == configs[place].lr


def test_a_sample_holds_every_weight_and_its_codes_match_its_thresholds(written):
    for sample in stored_surface.load("tiny", written[0]).samples:
        assert sample.ends.sum() == 60
        assert sample.figure2.shape == (4, 48)
        assert (sample.figure2.sum(1) <= sample.ends).all()
        cuts = samples.thresholds_of(TINY, sample)
        above = (sample.weights[:, None] > cuts).sum(1)
        distance = np.abs(sample.weights[:, None] - cuts).min(1)
        assert sample.codes.shape == (12, cuts.shape[1])
        assert ((above == sample.codes) | (distance < 1e-5)).all()


def test_a_part_of_the_settings_is_no_surface(written, tmp_path):
    tables = written[1]
    some = tables._replace(runs=tables.runs[tables.runs["variant"] != "lsq"])
    assert stored_surface.files(tmp_path, plans._toy("tiny", TINY, 2), some) == {}


def test_without_samples_the_courses_are_read_alone(written, tmp_path):
    history, _ = stored_surface.paths_of(written[0], "tiny")
    (tmp_path / history.name).symlink_to(history)
    stored = stored_surface.load("tiny", tmp_path)
    assert stored.samples == []
    pd.testing.assert_frame_equal(stored.history, stored_surface.load("tiny", written[0]).history)
