"""What the toy explorer shows against the stored tables, its live runs against the study's own code, and its export."""

import importlib
import json

import numpy as np
import pandas as pd
import pytest

from aoqlab.explorers.toy import MEASURES, METHODS, toy
from aoqlab.figures import load_figure_info
from aoqlab.paths import results_dir
from aoqlab.study.surface import PUBLISHED_LR, STEP_INITS
from aoqlab.toy.regression import RegressionProblem, run_ensemble

SMALL = RegressionProblem(n_weights=120, n_samples=20, batch_size=10, epochs=20)


@pytest.fixture(scope="module")
def explorer():
    return toy("toy-full", live=SMALL, seeds=(4, 5))


@pytest.fixture(scope="module")
def tables():
    return tuple(pd.read_parquet(results_dir() / f"toy-full-{name}.parquet") for name in ("runs", "history"))


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
    assert len(explorer.controls["step_init"].values) == len(STEP_INITS)


@pytest.mark.parametrize("lr, shrink, step", [(1e-3, 0.3, 1.0), (0.3, 0.05, 4.0), (1e-4, 1.0, 0.1)])
def test_the_rows_of_a_state_are_those_of_its_settings(explorer, tables, lr, shrink, step):
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
            column = own["crossings"] / own["weights"] if measure == "crossings_per_weight" else own[measure]
            expected = own.assign(wanted=column).pivot(index="seed", columns="step", values="wanted")
            np.testing.assert_allclose(courses[state["lr"], state[name]], expected, rtol=1e-6)


def test_a_history_that_lacks_runs_is_refused(tables, tmp_path, monkeypatch):
    monkeypatch.setenv("AOQLAB_ROOT", str(tmp_path))
    record = {"problem": {"n_weights": 10_000, "n_samples": 2_000, "batch_size": 20, "epochs": 200, "bits": 2}}
    (results_dir() / "toy-full.json").write_text(json.dumps(record))
    tables[0].to_parquet(results_dir() / "toy-full-runs.parquet")
    tables[1].query("seed != 3 or lr != 0.01").to_parquet(results_dir() / "toy-full-history.parquet")
    with pytest.raises(ValueError, match="lacks runs of aoq"):
        toy(live=SMALL)


def test_without_a_surface_the_error_says_how_to_make_one(tmp_path, monkeypatch):
    monkeypatch.setenv("AOQLAB_ROOT", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"run\.sh toy"):
        toy()
    with pytest.raises(FileNotFoundError, match="no surface mine"):
        toy("mine")


def test_live_runs_are_those_of_run_ensemble(explorer):
    state = state_at(explorer, lr=0.01, shrink_min=0.5, step_init=0.7)
    answer = explorer.answer_live(state)
    expected = run_ensemble(list(explorer.configs(state).values()), (4, 5), SMALL, records=40)
    for number, method in enumerate(METHODS):
        losses = np.frombuffer(answer[f"{method}_loss"], "<f4").reshape(2, -1)[:, -1]
        np.testing.assert_array_equal(losses, expected.runs["loss"].to_numpy(dtype="<f4")[number::2])
        ends = expected.pretrained_by_level(number)["level"].value_counts()
        assert answer[f"{method}_ends"] == [ends.get(level, 0) for level in explorer.data["levels"]]


def test_figure_2_holds_every_weight_of_the_first_seed(explorer):
    for method in METHODS:
        answer = explorer.answer_live(explorer.state)
        counts = np.frombuffer(answer[f"{method}_figure2"], "<f4").reshape(4, -1)
        assert counts.sum(1).tolist() == answer[f"{method}_ends"]
        assert sum(answer[f"{method}_ends"]) == SMALL.n_weights


def test_followed_weights_have_the_codes_that_their_thresholds_say(explorer):
    answer = explorer.answer_live(state_at(explorer, lr=0.01))
    for method in METHODS:
        read = {name: np.frombuffer(answer[f"{method}_{name}"], "<f4") for name in ("weights", "thresholds")}
        weights, thresholds = read["weights"].reshape(12, -1), read["thresholds"].reshape(3, -1)
        codes = np.frombuffer(answer[f"{method}_codes"], "<i4").reshape(12, -1)
        above = (weights[:, None] > thresholds).sum(1)
        distance = np.abs(weights[:, None] - thresholds).min(1)
        assert ((above == codes) | (distance < 1e-5)).all()


def test_what_was_run_live_is_kept(explorer, monkeypatch):
    first = explorer.answer_live(explorer.state)
    monkeypatch.setattr(importlib.import_module("aoqlab.explorers.toy"), "run_ensemble", None)
    assert explorer.answer_live(explorer.state) == first
    assert explorer.data["ensemble"] == first


@pytest.mark.parametrize("measure", MEASURES)
def test_the_figure_rings_the_setting_on_both_surfaces(explorer, measure):
    state = state_at(explorer, lr=0.01, shrink_min=0.5) | {"measure": measure}
    aoq, lsq, *_ = explorer.figure(state).axes
    for ax, name in ((aoq, "shrink_min"), (lsq, "step_init")):
        rings = [line for line in ax.lines if line.get_marker() == "o"]
        assert {(ring.get_xdata()[0], ring.get_ydata()[0]) for ring in rings} == {(state[name], state["lr"])}


def test_export_records_the_setting_the_losses_and_the_tables(explorer, tmp_path, monkeypatch):
    monkeypatch.setenv("AOQLAB_ROOT", str(tmp_path))
    explorer.answer_export(explorer.state, "point")
    info = load_figure_info(tmp_path / "figures" / "point.json")
    parameters = info["parameters"]
    assert parameters["shrink_min"] == 0.3
    assert len(parameters["losses"]["stored"]["lsq"]) == 10
    assert len(parameters["losses"]["live"]["aoq"]) == 2
    assert parameters["live_problem"]["n_weights"] == SMALL.n_weights
    assert info["seeds"] == list(range(10))
    assert len(info["data"]) == 2


def test_an_exported_page_carries_surface_and_live_runs(explorer):
    page = explorer.static_html()
    assert "courses" in page
    assert "aoq_figure2" in page
    assert "http" not in page.replace("http://www.w3.org", "")
