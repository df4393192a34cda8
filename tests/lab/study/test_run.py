import json

import numpy as np
import pandas as pd
import pytest

from aoqlab.lab.plots import saving as figures
from aoqlab.lab.shared import paths
from aoqlab.lab.study import network, run, surface
from aoqlab.lab.toy.regression import RegressionProblem

TINY = RegressionProblem(n_weights=60, n_samples=40, batch_size=20, epochs=12)


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("AOQLAB_ROOT", str(tmp_path))
    return tmp_path


def test_both_methods_are_tuned_over_equally_many_settings():
    configs = surface.configurations()
    methods = [c.method for c in configs]
    assert methods.count("aoq") == methods.count("lsq") == len(configs) // 2
    assert len(set(configs)) == len(configs)
    assert surface.PUBLISHED_LR in surface.LEARNING_RATES
    assert {0.1, 1.0, surface.PUBLISHED_SHRINK} <= set(surface.SHRINK_MINS)


def test_the_regression_study_leaves_tables_figures_and_their_origin(project):
    rows = run.regression_study("tiny", TINY, [0, 1, 2])
    folder = paths.results_dir()
    runs = pd.read_parquet(folder / "tiny-runs.parquet")
    assert len(runs) == 3 * len(surface.configurations())
    assert {r.n for r in rows} == {3}
    history = pd.read_parquet(folder / "tiny-history.parquet")
    last = history[history["step"] == TINY.steps].set_index("run").sort_index()
    np.testing.assert_allclose(last["loss"], runs["loss"])  # rows of the history belong to the right run
    assert (last["lr"] == runs["lr"]).all() and (last["method"] == runs["method"]).all()
    info = json.loads((folder / "tiny.json").read_text())
    assert info["seeds"] == [0, 1, 2]
    assert info["problem"]["n_weights"] == 60
    assert [c["seed"] for c in info["computed"]] == [0, 1, 2]
    assert all(c["versions"]["torch"] and c["seconds"] > 0 for c in info["computed"])
    for name, source in {"surface": "runs", "measures": "runs", "profile": "runs", "oscillation": "history"}.items():
        record = figures.load_figure_info(f"tiny-{name}")
        assert record["data"][0]["path"] == f"data/results/tiny-{source}.parquet"
    assert figures.load_figure_info("tiny-figure2")["seeds"] == [0]
    assert not list(folder.glob(".*"))  # nothing half-made


def test_an_interrupted_study_resumes_with_the_seeds_it_has(project, monkeypatch):
    computed, sweep = [], surface.sweep

    def interrupted_at(seed):
        def counting(problem, seeds, **kwargs):
            if seeds == [seed]:
                raise KeyboardInterrupt
            computed.extend(seeds)
            return sweep(problem, seeds, **kwargs)

        return counting

    monkeypatch.setattr(surface, "sweep", interrupted_at(2))
    with pytest.raises(KeyboardInterrupt):
        run.regression_study("tiny", TINY, [0, 1, 2])
    monkeypatch.setattr(surface, "sweep", interrupted_at(None))
    rows = run.regression_study("tiny", TINY, [0, 1, 2])
    assert computed == [0, 1, 2]
    assert {r.n for r in rows} == {3}


def test_seeds_of_another_problem_are_not_taken_over(project, monkeypatch):
    def stop(problem, seeds, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(surface, "sweep", stop)
        with pytest.raises(KeyboardInterrupt):
            run.regression_study("tiny", RegressionProblem(50, 40, 20, 12), [0, 1])
    run.regression_study("tiny", TINY, [0, 1])
    assert json.loads((paths.results_dir() / "tiny.json").read_text())["problem"]["n_weights"] == 60


def made_up_runs(difference):
    """Runs of three seeds in which every AOQ loss is LSQ's plus `difference`, lowest at shrink_min 0.3."""
    rng, rows = np.random.default_rng(0), []
    for config in surface.configurations():
        for seed in range(3):
            size = config.schedule.shrink_min if config.method == "aoq" else 0.3
            bowl = np.log(size / 0.3) ** 2 + (np.log10(config.lr) + 3) ** 2
            loss = 50 + bowl + 0.01 * rng.random() + (difference if config.method == "aoq" else 0)
            rows.append(
                config.describe()
                | {"seed": seed, "loss": loss, "true_codes": 0.3, "explored_volume": 0.2, "crossings_per_step": 0.01}
            )
    return pd.DataFrame(rows)


@pytest.mark.parametrize(("difference", "verdict"), [(-5.0, "reproduced"), (5.0, "not reproduced")])
def test_findings_read_the_sign_of_the_difference(difference, verdict):
    rows = surface.findings(made_up_runs(difference), "made up")
    losses = [r for r in rows if r.claim == "2 AOQ finds better weights"]
    assert {r.verdict for r in losses} == {verdict}
    assert all(r.effect == pytest.approx(difference, abs=3.3) for r in losses)
    # Both are best at 1e-3: rates above compare two failures and are left out.
    assert [r.statistic.rsplit(" ", 1)[1] for r in losses[:-2]] == ["0.0001", "0.0003", "0.001"]


def test_an_optimum_inside_is_found_and_one_at_the_end_is_not():
    inside = made_up_runs(0.0)
    monotone = inside.assign(loss=inside["loss"].where(inside["method"] == "lsq", 10 * inside["shrink_min"]))
    for runs, verdicts in ((inside, {"reproduced"}), (monotone, {"reproduced", "not reproduced"})):
        rows = [r for r in surface.findings(runs, "x") if r.claim == "2 a moderate interval is best"]
        assert {r.verdict for r in rows if r.statistic.endswith("lr 0.001")} == verdicts


def made_up_history(steps, volume_aoq, volume_lsq, oscillating_aoq):
    rows = []
    for seed in range(3):
        for step, a, q, o in zip(steps, volume_aoq, volume_lsq, oscillating_aoq, strict=True):
            shared = {"seed": seed, "step": step, "lr": surface.PUBLISHED_LR}
            rows.append(shared | {"method": "aoq", "shrink_min": 0.3, "explored_volume": a, "oscillating_share": o})
            rows.append(shared | {"method": "lsq", "explored_volume": q + 1e-3 * seed * step, "oscillating_share": 0.1})
    return pd.DataFrame(rows).assign(step_init=np.nan)


def test_stage_rows_count_what_comes_after_shrinking_and_during_dampening():
    history = made_up_history([0, 20, 60, 100], [0, 0.5, 0.5, 0.6], [0, 0.1, 0.2, 0.4], [0, 0.0, 0.2, 0.05])
    later, calm = surface.findings(made_up_runs(0.0), "x", history)[-2:]
    assert later.effect == pytest.approx(0.1 - (0.3 + 0.08))
    assert later.agree == 0
    assert calm.effect == pytest.approx(-0.15)
    assert calm.verdict == "reproduced"


def test_digits_leave_a_row_per_run_a_figure_and_findings(project):
    rows = run.digits_study([0, 1])
    runs = pd.read_parquet(paths.results_dir() / "digits-runs.parquet")
    assert len(runs) == 4 and {r.n for r in rows} == {2}
    volume = runs.pivot(index="seed", columns="method", values="explored_volume")
    assert rows[0].effect == pytest.approx((volume["aoq"] - volume["lsq"]).mean())
    assert figures.load_figure_info("digits")["seeds"] == [0, 1]
    assert "±" in network.as_text(runs)
