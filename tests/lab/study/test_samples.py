"""Samples of single weights: what the study writes is what training gives, and is read back whole."""

import numpy as np
import pandas as pd
import pytest

from aoqlab.lab.shared import paths
from aoqlab.lab.study import run, samples, surface
from aoqlab.lab.toy.regression import RegressionProblem, run_ensemble

TINY = RegressionProblem(n_weights=60, n_samples=40, batch_size=20, epochs=12)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The folder of a study of two seeds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AOQLAB_ROOT", str(tmp_path_factory.mktemp("project")))
        patch.setattr(run.pictures, "draw_regression", lambda *_: None)
        run.regression_study("tiny", TINY, [3, 1])
        return paths.results_dir()


def test_the_study_writes_what_the_first_seed_gives(written):
    runs, kept, about = samples.read_samples(written / "tiny-samples.parquet")
    configs = surface.configurations()
    assert len(runs) == len(kept) == len(configs) and set(runs["seed"]) == {3}
    assert about["problem"]["n_weights"] == 60 and about["computed"]["seed"] == 3 and about["computed"]["versions"]
    stored = pd.read_parquet(written / "tiny-runs.parquet").query("seed == 3").reset_index(drop=True)
    pd.testing.assert_frame_equal(runs, stored[list(runs)])
    for place in (0, 40, 100, 175):
        config = configs[place]
        alone = run_ensemble([config], [3], TINY, records=20, trajectories=samples.FOLLOWED)
        expected = samples.sample_of(alone, 0)
        for ours, own in zip(kept[place], expected, strict=True):
            np.testing.assert_array_equal(ours, own)
        assert (runs.loc[place, "method"], runs.loc[place, "lr"]) == (config.method, config.lr)
        assert about["steps"] == sorted(alone.history["step"].unique())


def test_a_sample_holds_every_weight_and_its_codes_match_its_thresholds(written):
    _, kept, _ = samples.read_samples(written / "tiny-samples.parquet")
    for sample in kept:
        assert sample.ends.sum() == 60 and sample.figure2.shape == (4, 48)
        assert (sample.figure2.sum(1) <= sample.ends).all()
        cuts = samples.thresholds_of(TINY, sample)
        above = (sample.weights[:, None] > cuts).sum(1)
        distance = np.abs(sample.weights[:, None] - cuts).min(1)
        assert sample.codes.shape == (12, cuts.shape[1])
        assert ((above == sample.codes) | (distance < 1e-5)).all()


def test_another_table_is_no_file_of_samples(written):
    with pytest.raises(ValueError, match="holds no samples"):
        samples.read_samples(written / "tiny-runs.parquet")
