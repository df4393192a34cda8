import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from aoqlab.lab.plots import interval_profile, method_color

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


def test_every_run_is_a_point_and_the_mean_a_line(ax, find, drawn):
    interval_profile(RUNS, ax=ax)
    (points,) = find(ax, "seeds-0.001")
    ours = RUNS[RUNS["lr"] == 1e-3]
    assert np.array_equal(points.get_xydata(), ours[["shrink_min", "loss"]])
    (line,) = find(ax, "mean-0.001")
    assert np.allclose(line.get_ydata(), ours.groupby("shrink_min")["loss"].mean())
    drawn(ax)


def test_the_best_mean_is_ringed(ax, find):
    interval_profile(RUNS, ax=ax)
    (ring,) = find(ax, "optimum")
    assert ring.get_xydata()[0] == pytest.approx([0.5, 20.2])


def test_a_measure_without_a_best_has_no_ring(ax, find):
    interval_profile(RUNS, best=False, ax=ax)
    assert find(ax, "optimum") == []
    assert "best mean" not in [text.get_text() for text in ax.get_legend().get_texts()]


def test_the_reference_is_the_best_setting_of_the_other_method(ax, find, drawn):
    interval_profile(RUNS, reference=REFERENCE, ax=ax)
    (line,), (band,) = find(ax, "reference"), find(ax, "reference-band")
    best = REFERENCE.loc[(REFERENCE["initial_step"] == 1.0) & (REFERENCE["lr"] == 1e-4), "loss"]
    assert line.get_ydata()[0] == pytest.approx(best.mean())
    assert (band.get_y(), band.get_height()) == (pytest.approx(best.min()), pytest.approx(np.ptp(best)))
    assert line.get_color() == method_color("lsq")
    assert line.get_label() == "LSQ at its best (n = 5)\n$\\eta$ = 0.0001, $s_0$ = 1"
    drawn(ax)


def test_the_reference_is_chosen_over_all_settings_whatever_the_hue(ax, find):
    interval_profile(RUNS[RUNS["lr"] == 1e-3], hue="method", reference=REFERENCE, ax=ax)
    assert find(ax, "reference")[0].get_ydata()[0] == pytest.approx(42.1)


def test_the_references_settings_can_be_named_and_be_missing(ax, find):
    reference = REFERENCE.assign(shrink_min=np.nan)
    interval_profile(RUNS, reference=reference, reference_settings=["shrink_min"], ax=ax)
    assert find(ax, "reference")[0].get_ydata()[0] == pytest.approx(REFERENCE["loss"].mean())


def test_a_diverged_setting_breaks_the_line_but_keeps_the_other_points(ax, find):
    runs = RUNS.copy()
    runs.loc[(runs["shrink_min"] == 0.5) & (runs["lr"] == 1e-3) & (runs["seed"] == 0), "loss"] = np.inf
    interval_profile(runs, ax=ax)
    assert np.isnan(find(ax, "mean-0.001")[0].get_ydata()[1])
    assert len(find(ax, "seeds-0.001")[0].get_xdata()) == 14
    assert find(ax, "optimum")[0].get_ydata()[0] == pytest.approx(23.2)


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
