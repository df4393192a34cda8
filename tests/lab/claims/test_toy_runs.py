from pathlib import Path

import numpy as np
import pytest

from aoqlab import ThreeStage
from aoqlab.lab.claims import cells, measures, toy_runs
from aoqlab.lab.toy import samples
from aoqlab.lab.toy.regression import RegressionProblem, RunConfig, make_data, run_ensemble

SMALL = RegressionProblem(n_weights=60, n_samples=20, batch_size=5, epochs=30)
CONFIGS = {
    "lsq": RunConfig("lsq", lr=1e-2),
    "aoq": RunConfig("aoq", lr=1e-2),
    "aoq coupled": RunConfig("aoq", lr=1e-2, coupled=True),
    "noise 0.1": RunConfig("aoq", lr=1e-2, schedule=ThreeStage(shrink_min=1.0, perturbation=0.1)),
}
SEEDS = (0, 3)


class Stopped(Exception):
    pass


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A folder with all runs, and the tables of the call that made them."""
    folder = tmp_path_factory.mktemp("runs")
    return folder, *toy_runs.run(SMALL, CONFIGS, SEEDS, folder=folder)[:2]


@pytest.fixture
def copied(kept, tmp_path):
    """A copy of that folder, to be damaged."""
    for file in kept[0].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def missing(problem, configs, seeds, folder):
    """How many runs are not kept yet."""
    return len({c.key for c in toy_runs._cells(problem, configs, seeds) if cells.read(folder, c.key) is None})


def same(first, second):
    """Equal bit for bit, except for when it was made and the time it took."""
    one, other = (table.drop(columns=["seconds", "made"]).reset_index(drop=True) for table in (first, second))
    return one.equals(other)


def test_a_row_per_variant_and_seed_and_one_per_record(kept):
    _, runs, history = kept
    assert list(zip(runs["seed"], runs["variant"], strict=True)) == [(s, v) for s in SEEDS for v in CONFIGS]
    assert history.groupby(["variant", "seed"]).size().eq(toy_runs.RECORDS + 1).all()
    assert (runs["steps"] == SMALL.steps).all()
    assert (runs["seconds"] > 0).all()
    for (_, _), own in history.groupby(["variant", "seed"]):
        assert own["progress"].tolist() == pytest.approx(np.linspace(0, 1, 41))
        assert own["crossings"].isna().tolist() == [True] + [False] * 40
        assert own["level_interval"].iloc[0] == 1.0


def test_the_numbers_match_the_ensemble(kept):
    _, runs, history = kept
    result = run_ensemble(list(CONFIGS.values()), SEEDS, SMALL, intervals=True)
    own = result.runs
    np.testing.assert_allclose(runs["error"], own["loss"], rtol=1e-5)
    np.testing.assert_allclose(runs["crossings"], own["crossings"] / SMALL.n_weights / SMALL.steps * 1000)
    np.testing.assert_allclose(runs["returns"], own["oscillations"] / own["crossings"])
    for name in toy_runs.TRACKED:
        np.testing.assert_allclose(runs[name], own[name], err_msg=name)
    for number in range(len(runs)):
        blocks = result.intervals[result.intervals["run"] == number]
        expected = measures.interval_scalars(blocks)
        assert {name: runs.loc[number, name] for name in expected} == pytest.approx(expected, nan_ok=True)
    rates = history.groupby(["seed", "variant"], sort=False)["crossings"].mean()  # records are equally far apart
    np.testing.assert_allclose(rates, runs["crossings"])
    last = history[history["progress"] == 1]
    np.testing.assert_allclose(last["level_interval"], own["step_final"] / own["step_start"] / _factor(), rtol=1e-6)
    assert (last["loss"].to_numpy() == runs["error"].to_numpy()).all()


def _factor():
    """What the schedule has made of the intervals at the end, run by run."""
    return [c.schedule(1.0).shrink if c.method == "aoq" else 1.0 for _ in SEEDS for c in CONFIGS.values()]


def test_a_second_call_trains_nothing_and_returns_the_same(kept, monkeypatch):
    folder, runs, history = kept
    monkeypatch.setattr(toy_runs, "run_ensemble", None)
    again = toy_runs.run(SMALL, CONFIGS, SEEDS, folder=folder)
    assert again[0].equals(runs)
    assert again[1].equals(history)


def test_no_number_depends_on_what_else_was_trained(kept, tmp_path, kernels):
    _, runs, history = kept
    names = ["lsq", "noise 0.1"]
    some, records, _ = toy_runs.run(SMALL, {name: CONFIGS[name] for name in names}, SEEDS, folder=tmp_path)
    assert same(some, runs[runs["variant"].isin(names)])
    assert records.equals(history[history["variant"].isin(names)].reset_index(drop=True))
    others = {"noise 0.2": RunConfig("aoq", lr=1e-2, schedule=ThreeStage(perturbation=0.2)), "lr": RunConfig("lsq")}
    every, *_ = toy_runs.run(SMALL, CONFIGS | others, SEEDS, folder=tmp_path)
    assert same(every[every["variant"].isin(CONFIGS)], runs)


def test_progress_counts_every_run_of_the_result(tmp_path):
    twice = CONFIGS | {"the same": CONFIGS["lsq"]}
    fresh, cached, some = [], [], []
    assert missing(SMALL, twice, SEEDS, tmp_path) == 8
    toy_runs.run(SMALL, twice, SEEDS[:1], folder=tmp_path, progress=some.append)
    assert missing(SMALL, twice, SEEDS, tmp_path) == 4
    runs, *_ = toy_runs.run(SMALL, twice, SEEDS, folder=tmp_path, progress=fresh.append)
    toy_runs.run(SMALL, twice, SEEDS, folder=tmp_path, progress=cached.append)
    assert some == [1] * 5
    assert fresh == cached == [1] * 10
    columns = runs.columns.drop("variant")
    first, second = (runs.loc[runs["variant"] == name, columns].reset_index(drop=True) for name in ("lsq", "the same"))
    assert first.equals(second)


def test_an_interrupted_call_keeps_what_was_done(tmp_path):
    done = []

    def stop(runs):
        done.append(runs)
        if len(done) == 6:
            raise Stopped

    with pytest.raises(Stopped):
        toy_runs.run(SMALL, CONFIGS, SEEDS, folder=tmp_path, progress=stop)
    assert missing(SMALL, CONFIGS, SEEDS, tmp_path) == 2
    assert missing(SMALL, CONFIGS, SEEDS[:1], tmp_path) == 0


def test_single_weights_of_the_first_seed_are_kept(tmp_path, kernels):
    """The samples belong to the ensemble, also where the run alone is there and its sample is not."""
    shared = {"folder": tmp_path, "sampled": ["lsq", "aoq"]}
    runs, _, kept = toy_runs.run(SMALL, CONFIGS, SEEDS, **shared)
    assert kept["variant"].tolist() == ["lsq", "aoq"]
    assert set(kept["seed"]) == {SEEDS[0]}
    result = run_ensemble(list(CONFIGS.values()), SEEDS[:1], SMALL, trajectories=samples.FOLLOWED)
    for number, sample in enumerate(samples.unpacked(kept)):
        for part, expected in zip(sample, samples.sample_of(result, number, every=2), strict=True):
            np.testing.assert_array_equal(part, expected)
    next(tmp_path.glob("*-sample*")).unlink()
    again = toy_runs.run(SMALL, CONFIGS, SEEDS, **shared)
    assert same(again.runs, runs)
    assert again.samples.astype(str).equals(kept.astype(str))


@pytest.mark.filterwarnings("ignore::aoqlab.lab.shared.files.DamagedWarning")  # which says so
@pytest.mark.parametrize(
    "damage",
    [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-20]), lambda path: path.write_bytes(b"")],
)
def test_a_damaged_run_is_made_again(kept, copied, damage, kernels):
    _, runs, history = kept
    damage(sorted(copied.iterdir())[2])
    assert missing(SMALL, CONFIGS, SEEDS, copied) == 1
    again = toy_runs.run(SMALL, CONFIGS, SEEDS, folder=copied)
    assert same(again[0], runs)
    assert again[1].equals(history)
    assert missing(SMALL, CONFIGS, SEEDS, copied) == 0


def test_other_settings_or_another_way_to_measure_are_other_runs(kept, monkeypatch):
    folder = kept[0]
    other = RegressionProblem(n_weights=60, n_samples=20, batch_size=5, epochs=31)
    assert missing(other, CONFIGS, SEEDS, folder) == 8
    assert missing(SMALL, {"lsq": RunConfig("lsq", lr=2e-2)}, [0], folder) == 1
    assert missing(SMALL, CONFIGS, SEEDS, folder) == 0
    monkeypatch.setattr(toy_runs, "VERSION", toy_runs.VERSION + 1)
    assert missing(SMALL, CONFIGS, SEEDS, folder) == 8


def test_under_the_lossless_solution_the_histograms_overlap_more_than_slices_do():
    problem = RegressionProblem(n_weights=2000, n_samples=100, batch_size=20, epochs=1)
    start = make_data(problem, 0).start.numpy()
    slices = measures.overlap(start, np.digitize(start, [-0.5, 0.5]))
    assert slices < 0.1 < 0.8 < toy_runs.lossless_overlap(problem, 0) <= 1
