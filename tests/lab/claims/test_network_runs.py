"""Runs of networks for the claims: what is kept, what is trained, what is measured."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from aoqlab.lab import datasets
from aoqlab.lab.claims import cells, measures, network_runs
from aoqlab.lab.training import TrainConfig, train
from aoqlab.surgery import weight_sites

SMALL = TrainConfig(arch="digits_cnn", epochs=2, batch_size=128, lr=1e-3, start_epochs=1, start_lr=3e-3)
STEPS = 10
CONFIGS = {
    "aoq": SMALL,
    "lsq slow": dataclasses.replace(SMALL, method="lsq", lr=3e-4),
    "statsq": dataclasses.replace(SMALL, method="statsq"),
    "fp32": dataclasses.replace(SMALL, method="fp32"),
}
REST = [*measures.SHARES, "crossings", "level_interval"]


def missing(configs, seeds, folder):
    """How many runs are not kept yet."""
    return len({c.key for c in network_runs._cells(configs, seeds, "cpu") if cells.read(folder, c.key) is None})


@pytest.fixture(autouse=True)
def one_thread(threads):
    threads(1)


@pytest.fixture
def trained(monkeypatch):
    """Method and seed of everything that is trained in this process, in order."""
    seen = []

    def counted(config, **options):
        seen.append((config.method, config.seed))
        return train(config, **options)

    monkeypatch.setattr("aoqlab.lab.training.sweep.train", counted)
    return seen


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folder, and runs and history of all variants on one seed."""
    folder = tmp_path_factory.mktemp("runs")
    done = []
    runs, history, *_ = network_runs.run(CONFIGS, [0], folder=folder, jobs=1, progress=done.append)
    assert done == [1] * len(CONFIGS)
    return folder, runs.set_index("variant"), history


WHEN = ["seconds", "made"]


def assert_same(a, b):
    for first, second in zip(a, b, strict=True):
        pd.testing.assert_frame_equal(first, second, check_exact=True)


def test_there_is_a_row_per_run_and_a_row_per_epoch(made):
    _, runs, history = made
    assert list(runs.index) == list(CONFIGS)
    assert runs["seed"].tolist() == [0] * 4 and runs["steps"].tolist() == [2 * STEPS] * 4
    assert runs["method"].tolist() == ["aoq", "lsq", "statsq", "fp32"]
    assert runs["lr"].tolist() == [1e-3, 3e-4, 1e-3, 1e-3]
    for name in CONFIGS:
        one = history[history["variant"] == name]
        assert one["step"].tolist() == [0, STEPS, 2 * STEPS]
        assert one["progress"].tolist() == [0.0, 0.5, 1.0]
        assert one["loss"].isna().all()


def test_numbers_match_the_run_by_itself(made):
    _, runs, history = made
    alone = train(dataclasses.replace(SMALL, threads=1, device="cpu"), keep=False, quiet=True)
    row, tracker, table = runs.loc["aoq"], alone.result["tracker"], alone.tables["intervals"]
    assert row["error"] == 100 * (1 - alone.result["accuracy"])
    assert row["error_start"] == 100 * (1 - alone.result["accuracy_start"])
    assert row["crossings"] == 1000 * tracker["crossings_per_step"]
    assert row["returns"] == tracker["oscillations"] / tracker["crossings"]
    for name in ("changed_share", "hamming_share", "levels_visited", "explored_volume"):
        assert row[name] == tracker[name]
    one = history[history["variant"] == "aoq"]
    steps = np.diff(one["progress"]) * 2 * STEPS
    assert (one["crossings"].iloc[1:] * steps).sum() / (2 * STEPS) == pytest.approx(row["crossings"], rel=1e-12)
    start = {name: site.quantizer.threshold_interval for name, site in weight_sites(alone.model).items()}
    relative = [row.interval / float(start[row.layer]) for row in table.itertuples() if row.epoch == 2]
    assert one["level_interval"].iloc[-1] == pytest.approx(np.mean(relative), rel=1e-6)


def test_step_sizes_are_relative_to_their_start_and_missing_where_none_is_learned(made):
    _, runs, history = made
    by = history.groupby("variant", sort=False)["level_interval"]
    assert by.first()[["aoq", "lsq slow"]].tolist() == [1.0, 1.0]
    assert (by.last()[["aoq", "lsq slow"]] != 1).all()
    assert runs.loc[["aoq", "lsq slow"], "movement"].notna().all()
    for name in ("statsq", "fp32"):
        assert history.loc[history["variant"] == name, "level_interval"].isna().all()
        assert np.isnan(runs.loc[name, "movement"])


def test_full_precision_has_an_error_and_no_codes(made):
    _, runs, history = made
    assert 0 <= runs.loc["fp32", "error"] < 100
    assert history.loc[history["variant"] == "fp32", REST].isna().all(axis=None)
    assert runs.loc["fp32", ["error_start", "crossings", "returns", "explored_volume", "overlap"]].isna().all()


def test_overlap_is_that_of_each_layer_weighted_by_its_weights():
    config = dataclasses.replace(SMALL, threads=1, device="cpu", epochs=1)
    result = train(config, keep=False, quiet=True)
    expected = [
        (measures.overlap(before.detach().flatten().numpy(), site.codes().flatten().numpy()), before.numel())
        for name, site in weight_sites(result.model).items()
        for before in [result.start.get_submodule(name).weight]
    ]
    values, sizes = zip(*expected, strict=True)
    assert network_runs.begin_and_end(result)["overlap"] == pytest.approx(np.average(values, weights=sizes), rel=1e-12)


def test_what_is_kept_is_read_and_only_new_seeds_are_trained(made, trained):
    folder, runs, history = made
    assert missing(CONFIGS, [0], folder) == 0
    done = []
    again = network_runs.run(CONFIGS, [0], folder=folder, jobs=1, progress=done.append)
    assert trained == [] and done == [1] * 4
    assert_same((again[0].set_index("variant"), again[1]), (runs, history))
    two = {"aoq": CONFIGS["aoq"], "lsq slow": CONFIGS["lsq slow"]}
    assert missing(two, [0, 1], folder) == 2
    more, *_ = network_runs.run(two, [0, 1], folder=folder, jobs=1)
    assert trained == [("fp32", 1), ("aoq", 1), ("lsq", 1)]
    assert more[["variant", "seed"]].apply(tuple, axis=1).tolist() == [(v, s) for v in two for s in (0, 1)]


def test_a_start_that_is_kept_is_not_trained_again(made, trained):
    folder, _, _ = made
    network_runs.run({"new": dataclasses.replace(SMALL, bits=3)}, [0], folder=folder, jobs=1)
    assert trained == [("aoq", 0)]


@pytest.mark.filterwarnings("ignore::aoqlab.lab.shared.files.DamagedWarning")  # which says so
@pytest.mark.parametrize("keep", [40, 0, 1000, None])
def test_a_damaged_run_is_made_again_the_same(made, trained, keep):
    folder, _, _ = made
    config = {"aoq": CONFIGS["aoq"]}
    before = network_runs.run(config, [0], folder=folder, jobs=1)
    for file in folder.glob("[!s]*.entry"):
        content = file.read_bytes()
        file.unlink() if keep is None else file.write_bytes(content[:keep])
        damaged = missing(config, [0], folder) == 1
        if damaged:
            break
        file.write_bytes(content)
    assert damaged
    runs, history, _ = network_runs.run(config, [0], folder=folder, jobs=1)
    assert trained == [("aoq", 0)]
    assert_same((runs.drop(columns=WHEN), history), (before[0].drop(columns=WHEN), before[1]))


def test_variants_of_the_same_settings_share_a_run(trained, tmp_path):
    config = dataclasses.replace(SMALL, method="fp32", epochs=1)
    done = []
    twice = {"a": config, "b": dataclasses.replace(config, seed=7, name="other", eval_every=3)}
    assert missing(twice, [4], tmp_path) == 1
    runs, *_ = network_runs.run(twice, [4], folder=tmp_path, jobs=1, progress=done.append)
    assert trained == [("fp32", 4)] and done == [1, 1]
    assert runs["variant"].tolist() == ["a", "b"] and runs["error"].nunique() == 1


def test_a_run_that_diverges_is_the_worst_and_the_others_continue(trained, tmp_path):
    bad = dataclasses.replace(SMALL, epochs=1, lr=1e30)
    configs = {"bad": bad, "good": dataclasses.replace(bad, lr=1e-3)}
    runs, history, _ = network_runs.run(configs, [0], folder=tmp_path, jobs=1)
    found = runs.set_index("variant")
    assert found.loc["bad", "error"] == np.inf and np.isnan(found.loc["bad", "crossings"])
    assert np.isfinite(found.loc["good", "error"]) and set(history["variant"]) == {"good"}
    assert missing(configs, [0], tmp_path) == 0
    again = network_runs.run(configs, [0], folder=tmp_path, jobs=1)
    assert_same((runs, history), again[:2])


def test_what_is_done_is_kept_when_a_later_run_fails(monkeypatch, tmp_path):
    def failing(config, **options):
        if config.lr == 1e-4:
            raise MemoryError("no room")
        return train(config, **options)

    monkeypatch.setattr("aoqlab.lab.training.sweep.train", failing)
    good = dataclasses.replace(SMALL, method="fp32", epochs=1)
    configs = {"good": good, "bad": dataclasses.replace(good, lr=1e-4)}
    with pytest.raises(RuntimeError, match="MemoryError: no room"):
        network_runs.run(configs, [0], folder=tmp_path, jobs=1)
    assert missing(configs, [0], tmp_path) == 1


def test_results_do_not_depend_on_the_number_of_jobs(made, tmp_path):
    _, runs, history = made
    found, course, _ = network_runs.run({"aoq": CONFIGS["aoq"]}, [0], folder=tmp_path, jobs=2)
    other = found.set_index("variant").drop(columns=WHEN)
    assert_same((other, course), (runs.loc[["aoq"]].drop(columns=WHEN), history[history["variant"] == "aoq"]))


def test_other_images_and_another_version_are_other_runs(made, monkeypatch):
    folder, _, _ = made
    config = {"aoq": CONFIGS["aoq"]}
    with monkeypatch.context() as patch:
        patch.setattr(network_runs, "VERSION", 0)
        assert missing(config, [0], folder) == 1
    load = datasets.load
    others = dataclasses.replace(load("digits"), fingerprint="digits-2")
    monkeypatch.setattr(datasets, "load", lambda *_, **__: others)
    assert missing(config, [0], folder) == 1


def test_a_run_that_misses_crossings_is_refused(tmp_path):
    config = dataclasses.replace(SMALL, track_every=2)
    with pytest.raises(ValueError, match="rare: every crossing counts, so track_every must be 1, got 2"):
        network_runs.run({"rare": config}, [0], folder=tmp_path)


def test_nothing_asked_for_is_nothing_found(tmp_path):
    runs, history, _ = network_runs.run({}, [0], folder=tmp_path)
    assert runs.empty and history.empty
