import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from aoqlab.lab.plots import interval_profile, method_color, method_comparison, run_scatter


def places(collection):
    return np.asarray(collection.get_offsets())


def line_of(ax, method):
    """The line of a method that has data: others are the legend's."""
    own = [line for line in ax.lines if to_hex(line.get_color()) == method_color(method).lower()]
    return next(line for line in own if np.isfinite(line.get_xydata()).any())


SEEDS = pd.DataFrame(
    {"method": ["aoq"] * 5 + ["lsq"] * 4, "accuracy": [0.90, 0.92, 0.91, 0.94, 0.93, 0.85, 0.86, 0.88, 0.87]}
)


def test_every_seed_is_a_point_next_to_the_mean(ax, drawn):
    method_comparison(SEEDS, value="accuracy", ax=ax)
    seeds = places(ax.collections[0])
    assert np.array_equal(seeds[:, 1], SEEDS["accuracy"])
    assert np.array_equal(seeds[:, 0].round(), [1] * 5 + [0] * 4)
    assert len(np.unique(seeds[:, 0])) == 9
    assert np.nanmax(line_of(ax, "aoq").get_ydata()) == pytest.approx(0.92)
    drawn(ax)


def test_n_is_under_each_method(ax):
    method_comparison(SEEDS, value="accuracy", ax=ax)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["LSQ\nn = 4", "AOQ\nn = 5"]


def test_long_names_are_broken_so_that_neighbours_keep_apart(ax):
    method_comparison(SEEDS.replace({"aoq": "aoq-no-shrink", "lsq": "lsq+dampen"}), value="accuracy", ax=ax)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["AOQ,\nno shrink\nn = 5", "LSQ\n+ dampening\nn = 4"]


def interval_ends(ax):
    """Low and high ends of what is drawn as interval: of the lines that rise."""
    drawn = [np.asarray(line.get_ydata())[np.isfinite(line.get_ydata())] for line in ax.lines]
    return sorted((ends.min(), ends.max()) for ends in drawn if len(ends) and np.ptp(ends) > 0)


def test_intervals_are_those_that_were_asked_for(ax):
    asked = []

    def reach(values):
        asked.append(values)
        return values.min() - 0.01, values.max() + 0.01

    method_comparison(SEEDS, value="accuracy", errorbar=reach, ax=ax)
    assert all(isinstance(values, np.ndarray) for values in asked)
    assert interval_ends(ax) == [(pytest.approx(0.84), pytest.approx(0.89)), (pytest.approx(0.89), pytest.approx(0.95))]
    ax.clear()
    method_comparison(SEEDS, value="accuracy", ax=ax)
    assert interval_ends(ax) == []


def test_a_single_run_has_no_interval(ax, drawn):
    method_comparison(SEEDS.iloc[4:6], value="accuracy", errorbar=lambda values: (-np.inf, np.inf), ax=ax)
    assert not [line for line in ax.lines if np.isinf(line.get_ydata()).any()]
    drawn(ax)


def test_on_a_logarithmic_scale_the_mean_stays_the_arithmetic_one(ax, drawn):
    ax.set_yscale("log")
    method_comparison(SEEDS.assign(accuracy=SEEDS["accuracy"] ** 9), value="accuracy", logy=True, ax=ax)
    assert np.nanmax(line_of(ax, "aoq").get_ydata()) == pytest.approx((SEEDS["accuracy"][:5] ** 9).mean())
    assert ax.get_yscale() == "log"
    drawn(ax)


@pytest.mark.parametrize(
    ("runs", "match"), [(SEEDS.drop(columns="method"), "method"), (SEEDS.assign(accuracy=np.nan), "not finite")]
)
def test_comparisons_without_a_figure_are_refused(ax, runs, match):
    with pytest.raises(ValueError, match=match):
        method_comparison(runs, value="accuracy", ax=ax)


RUNS = pd.DataFrame(
    [
        ("aoq", a, lr, s, 20 + 40 * (a - 0.5) ** 2 + 3 * (np.log10(lr) + 3) ** 2 + 0.1 * s)
        for a in (0.1, 0.5, 1.0)
        for lr in (1e-4, 1e-3)
        for s in range(5)
    ],
    columns=["method", "shrink_min", "lr", "seed", "loss"],
)
REFERENCE = pd.DataFrame(
    [
        ("lsq", s0, lr, s, 40 + 9 * abs(s0 - 1) + 1e3 * lr + s)
        for s0 in (0.5, 1.0)
        for lr in (1e-4, 1e-3)
        for s in range(5)
    ],
    columns=["method", "initial_step", "lr", "seed", "loss"],
)


def test_every_run_is_a_point_and_the_mean_a_line(ax, drawn):
    interval_profile(RUNS, ax=ax)
    assert np.array_equal(places(ax.collections[0]), RUNS[["shrink_min", "loss"]])
    _, line = ax.lines
    ours = RUNS[RUNS["lr"] == 1e-3]
    assert np.allclose(line.get_ydata(), ours.groupby("shrink_min")["loss"].mean())
    drawn(ax)


def test_the_best_mean_is_ringed(ax, find):
    interval_profile(RUNS, ax=ax)
    (ring,) = find(ax, "optimum")
    assert places(ring)[0] == pytest.approx([0.5, 20.2])


def test_a_measure_without_a_best_has_no_ring(ax, find):
    interval_profile(RUNS, best=False, ax=ax)
    assert find(ax, "optimum") == []
    assert "best mean" not in [text.get_text() for text in ax.get_legend().get_texts()]


def test_the_reference_is_the_best_setting_of_the_other_method(ax, find, drawn):
    interval_profile(RUNS, reference=REFERENCE, reference_settings=["initial_step", "lr"], ax=ax)
    (line,), (band,) = find(ax, "reference"), find(ax, "reference-band")
    best = REFERENCE.loc[(REFERENCE["initial_step"] == 1.0) & (REFERENCE["lr"] == 1e-4), "loss"]
    assert line.get_ydata()[0] == pytest.approx(best.mean())
    assert (band.get_y(), band.get_height()) == (pytest.approx(best.min()), pytest.approx(np.ptp(best)))
    assert line.get_color() == method_color("lsq")
    assert line.get_label() == "LSQ at its best (n = 5)"
    drawn(ax)


def test_the_references_settings_can_be_missing_or_one(ax, find):
    reference = REFERENCE.assign(shrink_min=np.nan)
    interval_profile(RUNS, reference=reference, reference_settings=["shrink_min"], ax=ax)
    assert find(ax, "reference")[0].get_ydata()[0] == pytest.approx(REFERENCE["loss"].mean())
    ax.clear()
    interval_profile(RUNS, reference=REFERENCE, ax=ax)
    assert find(ax, "reference")[0].get_ydata()[0] == pytest.approx(REFERENCE["loss"].mean())


def test_a_diverged_setting_breaks_the_line_but_keeps_the_other_points(ax, find):
    runs = RUNS.copy()
    runs.loc[(runs["shrink_min"] == 0.5) & (runs["lr"] == 1e-3) & (runs["seed"] == 0), "loss"] = np.inf
    interval_profile(runs, ax=ax)
    assert np.isnan(ax.lines[1].get_ydata()[1])
    assert len(places(ax.collections[0])) == 29
    assert places(find(ax, "optimum")[0])[0, 1] == pytest.approx(23.2)


def test_ticks_too_close_together_stay_without_a_label(drawn):
    rates = [0.0003, 0.001, 0.003, 0.01, 0.03, 0.05, 0.1, 0.2]
    runs = pd.DataFrame([{"x": lr, "y": 1.0 + seed, "method": "lsq"} for lr in rates for seed in range(2)])
    ax = Figure(figsize=(3.2, 2.0)).subplots()
    interval_profile(runs, x="x", y="y", hue="method", logx=True, ax=ax)
    drawn(ax)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["0.0003", "0.001", "0.003", "0.01", "0.03", "", "0.1", ""]


def test_logarithmic_axes_have_plain_ticks(ax, drawn):
    interval_profile(RUNS, logx=True, logy=True, ax=ax)
    drawn(ax)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["0.1", "0.5", "1"]
    assert any(t.get_text() for t in ax.get_yticklabels())


def test_missing_columns_are_refused(ax):
    with pytest.raises(ValueError, match="shrink_min"):
        interval_profile(RUNS.drop(columns="shrink_min"), ax=ax)
    with pytest.raises(ValueError, match="reference"):
        interval_profile(RUNS, reference=REFERENCE.drop(columns="loss"), ax=ax)


PAIRS = pd.DataFrame(
    {
        "method": ["aoq"] * 4 + ["lsq"] * 2,
        "variant": ["aoq", "aoq", "aoq lr=1", "aoq lr=1", "lsq", "lsq"],
        "crossings": [4.0, 6.0, 1.0, 3.0, 2.0, 4.0],
        "error": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
    }
)


def test_every_run_is_a_point_and_every_setting_a_mean_in_order_of_x(ax, drawn):
    run_scatter(PAIRS, x="crossings", y="error", setting="variant", line=True, ax=ax)
    assert np.array_equal(places(ax.collections[0]), PAIRS[["crossings", "error"]])
    means = line_of(ax, "aoq")
    assert means.get_xydata().tolist() == [[2.0, 3.5], [5.0, 1.5]]
    assert means.get_linestyle() == "-"
    drawn(ax)


def test_without_a_setting_each_hue_is_one(ax):
    run_scatter(PAIRS, x="crossings", y="error", logx=True, ax=ax)
    assert line_of(ax, "lsq").get_xydata().tolist() == [[3.0, 5.5]]
    assert ax.get_xscale() == "log"


def test_the_legend_counts_runs(ax):
    run_scatter(PAIRS, x="crossings", y="error", ax=ax)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["LSQ (n = 2)", "AOQ (n = 4)"]


def test_values_that_are_not_finite_are_refused(ax):
    with pytest.raises(ValueError, match="finite"):
        run_scatter(PAIRS.assign(error=np.inf), x="crossings", y="error", ax=ax)
