"""What the toy explorer shows against the stored tables, its live runs against the toy's own code, and its export."""

import numpy as np
import pandas as pd
import pytest

from aoqlab.lab.claims import stored_surface
from aoqlab.lab.explorers.toy_explorer import explorer as explorer_module
from aoqlab.lab.explorers.toy_explorer.explorer import MEASURES, METHODS, toy
from aoqlab.lab.plots.saving import load_figure_info
from aoqlab.lab.shared.paths import results_dir
from aoqlab.lab.toy.regression import RegressionProblem, run_ensemble
from aoqlab.lab.toy.samples import EDGES, thresholds_of
from aoqlab.lab.toy.surface import PUBLISHED_LR

SMALL = RegressionProblem(n_weights=120, n_samples=20, batch_size=10, epochs=20)


@pytest.fixture(scope="module")
def explorer():
    return toy("toy-full", live=SMALL, seeds=(4, 5))


@pytest.fixture(scope="module")
def tables():
    history = stored_surface.load("toy-full").history
    return history[history["step"] == history["step"].max()], history


def counts(raw):
    return np.frombuffer(raw, "<u4").tolist()


def state_at(explorer, **values):
    indices = {name: explorer.controls[name].meant(value) for name, value in values.items()}
    return dict(explorer.state) | indices


def test_it_begins_at_the_published_setting_and_at_the_own_rule_of_lsq(explorer):
    assert explorer.value("lr") == PUBLISHED_LR
    assert explorer.value("shrink_min") == 0.3
    assert explorer.configs()["lsq"].step_init is None
    assert "rule" in explorer.controls["step_init"].spec()["shown"][explorer.state["step_init"]]


def test_every_stored_setting_is_a_stop(explorer, tables):
    aoq = tables[0].query("method == 'aoq'")
    assert explorer.controls["shrink_min"].values == sorted(aoq["shrink_min"].unique())
    assert explorer.controls["lr"].values == sorted(aoq["lr"].unique())
    assert len(explorer.controls["step_init"].values) == tables[0].query("method == 'lsq'")["step_init"].nunique(
        dropna=False
    )


@pytest.mark.parametrize("lr, shrink, step", [(1e-3, 0.3, 1.0), (0.3, 0.05, 4.0), (1e-4, 1.0, 0.1)])
def test_the_rows_of_a_state_match_its_settings(explorer, tables, lr, shrink, step):
    rows = explorer.at(state_at(explorer, lr=lr, shrink_min=shrink, step_init=step)).set_index("method")
    runs = tables[0][tables[0]["lr"] == lr]
    aoq, lsq = runs[runs["shrink_min"] == shrink], runs[runs["step_init"] == step]
    assert sorted(rows.loc["aoq", "loss"]) == sorted(aoq["loss"])
    assert sorted(rows.loc["lsq", "loss"]) == sorted(lsq["loss"])


def test_the_browser_gets_every_course_of_every_seed(explorer, tables):
    history = tables[1]
    records = history["step"].nunique()
    for method, setting in {"aoq": 0.2, "lsq": 1.4}.items():
        name = METHODS[method]
        own = history[(history["method"] == method) & (history["lr"] == 0.03) & (history[name] == setting)]
        state = state_at(explorer, lr=0.03, **{name: setting})
        for measure in MEASURES:
            shape = (len(explorer.rates), len(explorer.settings[method]), 10, records)
            courses = np.frombuffer(explorer.data["courses"][method][measure], "<f4").reshape(shape)
            expected = own.pivot(index="seed", columns="step", values=measure)
            np.testing.assert_allclose(courses[state["lr"], state[name]], expected, rtol=1e-6)


def test_a_history_that_lacks_runs_is_refused(tables, tmp_path, monkeypatch):
    monkeypatch.setenv("AOQLAB_ROOT", str(tmp_path))
    results_dir().mkdir(parents=True, exist_ok=True)
    tables[1].query("seed != 3 or lr != 0.01").to_parquet(results_dir() / "toy-full-surface.parquet")
    with pytest.raises(ValueError, match="lacks runs of aoq"):
        toy(live=SMALL)


def test_without_a_surface_the_error_says_how_to_make_one(tmp_path, monkeypatch):
    monkeypatch.setenv("AOQLAB_ROOT", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"run\.sh toy"):
        toy()
    with pytest.raises(FileNotFoundError, match="no surface mine"):
        toy("mine")


def test_live_runs_match_run_ensemble(explorer):
    state = state_at(explorer, lr=0.01, shrink_min=0.5, step_init=0.7)
    answer = explorer.answer_live(state)
    expected = run_ensemble(list(explorer.configs(state).values()), (4, 5), SMALL, records=40)
    for number, method in enumerate(METHODS):
        losses = np.frombuffer(answer[f"{method}_loss"], "<f4").reshape(2, -1)[:, -1]
        np.testing.assert_array_equal(losses, expected.runs["loss"].to_numpy(dtype="<f4")[number::2])
        ends = expected.pretrained_by_level(number)["level"].value_counts()
        assert counts(answer[f"{method}_ends"]) == [ends.get(level, 0) for level in explorer.data["levels"]]


def test_figure_2_holds_every_weight_of_the_first_seed(explorer):
    for method in METHODS:
        answer = explorer.answer_live(explorer.state)
        per_bin = np.reshape(counts(answer[f"{method}_figure2"]), (4, -1))
        assert per_bin.sum(1).tolist() == counts(answer[f"{method}_ends"])
        assert sum(counts(answer[f"{method}_ends"])) == SMALL.n_weights


def test_followed_weights_have_the_codes_that_their_thresholds_say(explorer):
    answer = explorer.answer_live(state_at(explorer, lr=0.01))
    for method in METHODS:
        read = {name: np.frombuffer(answer[f"{method}_{name}"], "<f4") for name in ("weights", "thresholds")}
        weights, thresholds = read["weights"].reshape(12, -1), read["thresholds"].reshape(3, -1)
        codes = np.frombuffer(answer[f"{method}_codes"], "u1").reshape(12, -1)
        above = (weights[:, None] > thresholds).sum(1)
        distance = np.abs(weights[:, None] - thresholds).min(1)
        assert ((above == codes) | (distance < 1e-5)).all()


def test_what_was_run_live_is_kept(explorer, monkeypatch):
    first = explorer.answer_live(explorer.state)
    monkeypatch.setattr(explorer_module, "run_ensemble", None)
    assert explorer.answer_live(explorer.state) == first
    assert explorer.data["ensemble"] == first


@pytest.mark.parametrize("measure", MEASURES)
def test_the_figure_rings_the_setting_on_both_surfaces(explorer, measure):
    state = state_at(explorer, lr=0.01, shrink_min=0.5) | {"measure": measure}
    aoq, lsq, *_ = explorer.figure(state).axes
    for ax, name in ((aoq, "shrink_min"), (lsq, "step_init")):
        rings = [line for line in ax.lines if line.get_marker() == "o"]
        assert {(ring.get_xdata()[0], ring.get_ydata()[0]) for ring in rings} == {
            (state[name] + 0.5, state["lr"] + 0.5)
        }


def test_export_records_the_setting_the_losses_and_the_tables(explorer, tmp_path, monkeypatch):
    monkeypatch.setenv("AOQLAB_ROOT", str(tmp_path))
    explorer.answer_export(explorer.state, "point")
    info = load_figure_info(tmp_path / "figures" / "point.json")
    parameters = info["parameters"]
    assert parameters["shrink_min"] == 0.3
    assert parameters["live_problem"]["n_weights"] == SMALL.n_weights
    assert info["seeds"] == list(range(10))
    assert [entry["path"].rsplit("-", 1)[1] for entry in info["data"]] == [
        "surface.parquet",
        "samples.parquet",
    ]
    assert parameters["figure2"] == "stored, seed 0, 10,000 weights, 2,000 samples"


def test_an_exported_page_carries_surface_and_live_runs(explorer):
    page = explorer.static_html()
    assert "courses" in page
    assert "aoq_figure2" in page
    assert "http" not in page.replace("http://www.w3.org", "")


SAMPLES = results_dir() / "toy-full-samples.parquet"


@pytest.mark.parametrize("lr, shrink, step", [(1e-3, 0.3, 1.7), (0.3, 0.05, 4.0), (1e-4, 1.0, 0.1)])
def test_the_browser_gets_the_single_weights_of_every_setting(explorer, tables, lr, shrink, step):
    stored = stored_surface.load("toy-full")
    runs, samples = stored.runs, stored.samples
    state = state_at(explorer, lr=lr, shrink_min=shrink, step_init=step)
    sent = explorer.data["samples"]
    assert sent["source"] == "stored, seed 0, 10,000 weights, 2,000 samples"
    config = explorer.configs(state)
    rows = {
        "aoq": runs.query("method == 'aoq' and lr == @lr and shrink_min == @shrink"),
        "lsq": runs[(runs["method"] == "lsq") & (runs["lr"] == lr) & _same(runs["step_init"], config["lsq"].step_init)],
    }
    for method, name in METHODS.items():
        (place,) = rows[method].index
        sample, at = samples[place], (state["lr"], state[name])
        shape = (len(explorer.rates), len(explorer.settings[method]))

        def own(part, dtype, *rest, method=method, shape=shape, at=at):
            return np.frombuffer(sent[method][part], dtype).reshape(*shape, *rest)[at]

        np.testing.assert_array_equal(own("figure2", "<u4", 4, len(EDGES) - 1), sample.figure2)
        np.testing.assert_array_equal(own("ends", "<u4", 4), sample.ends)
        np.testing.assert_array_equal(own("weights", "<f4", 12, -1), sample.weights)
        np.testing.assert_array_equal(own("codes", "u1", 12, -1), sample.codes)
        cuts = thresholds_of(explorer.stored_problem, sample)
        np.testing.assert_array_equal(own("thresholds", "<f4", 3, -1), cuts)
        assert sample.ends.sum() == 10_000
        assert sample.step.shape == (tables[1]["step"].nunique(),)


def _same(column, value):
    return column.isna() if value is None else column == value


def test_figure_2_of_the_export_is_what_is_shown(explorer):
    state = state_at(explorer, lr=0.03, shrink_min=0.5)
    left = explorer.figure(state).axes[4]
    assert left.get_title(loc="left").endswith("stored, seed 0, 10,000 weights, 2,000 samples")
    live = state | {"live": [state[name] for name in ("lr", "shrink_min", "step_init")]}
    left = explorer.figure(live).axes[4]
    assert left.get_title(loc="left").endswith("live, seed 4, 120 weights, 20 samples")
    assert explorer.record(live)["parameters"]["figure2"].startswith("live")


def test_samples_make_neither_file_nor_page_large(explorer):
    assert SAMPLES.stat().st_size < 1_500_000
    arrays = [part for method in METHODS for part in explorer.data["samples"][method].values()]
    assert sum(map(len, arrays)) * 4 / 3 < 1_500_000


def test_without_samples_single_weights_match_live_runs(tables, tmp_path, monkeypatch):
    (tmp_path / "data" / "results").mkdir(parents=True)
    (tmp_path / "data" / "results" / "toy-full-surface.parquet").symlink_to(results_dir() / "toy-full-surface.parquet")
    monkeypatch.setenv("AOQLAB_ROOT", str(tmp_path))
    explorer = toy(live=SMALL, seeds=(4,))
    assert explorer.data["samples"] is None and explorer.shows_live(explorer.state)
    assert explorer.record(explorer.state)["parameters"]["figure2"] == "live, seed 4, 120 weights, 20 samples"


def test_samples_that_lack_runs_are_refused(tmp_path, monkeypatch):
    place = tmp_path / "data" / "results"
    place.mkdir(parents=True)
    (place / "toy-full-surface.parquet").symlink_to(results_dir() / "toy-full-surface.parquet")
    pd.read_parquet(SAMPLES).iloc[1:].to_parquet(place / "toy-full-samples.parquet")
    monkeypatch.setenv("AOQLAB_ROOT", str(tmp_path))
    with pytest.raises(ValueError, match="the samples of toy-full lack 1 runs of aoq"):
        toy(live=SMALL)
