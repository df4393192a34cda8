import numpy as np
import pandas as pd
import pytest

from aoqlab.lab.plots import method_comparison
from aoqlab.lab.plots._statistics import bootstrap_interval

RUNS = pd.DataFrame(
    {"method": ["aoq"] * 5 + ["lsq"] * 4, "accuracy": [0.90, 0.92, 0.91, 0.94, 0.93, 0.85, 0.86, 0.88, 0.87]}
)


def test_every_seed_is_a_point_beside_the_mean(ax, find, drawn):
    method_comparison(RUNS, value="accuracy", ax=ax)
    (points,), (mean,) = find(ax, "seeds-aoq"), find(ax, "mean-aoq")
    assert np.array_equal(points.get_ydata(), RUNS["accuracy"][:5])
    assert mean.get_ydata()[0] == pytest.approx(0.92)
    assert np.abs(points.get_xdata() - 1).max() < 0.5
    drawn(ax)


def test_n_stands_under_each_method(ax):
    method_comparison(RUNS, value="accuracy", ax=ax)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["LSQ\nn = 4", "AOQ\nn = 5"]


def test_long_names_are_broken_so_that_neighbours_keep_apart(ax):
    method_comparison(RUNS.replace({"aoq": "aoq-no-shrink", "lsq": "lsq+dampen"}), value="accuracy", ax=ax)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["AOQ,\nno shrink\nn = 5", "LSQ\n+ dampening\nn = 4"]


def test_intervals_are_bootstrapped_or_given(ax, find):
    method_comparison(RUNS, value="accuracy", ax=ax)
    low, high = find(ax, "interval-lsq")[0].get_ydata()
    assert (low, high) == bootstrap_interval(RUNS["accuracy"][5:])
    assert 0.85 <= low < 0.865 < high <= 0.88
    ax.clear()
    given = {"lsq": (0.1, 0.2), "aoq": (0.3, 0.4)}
    method_comparison(RUNS, value="accuracy", intervals=given, ax=ax)
    assert tuple(find(ax, "interval-aoq")[0].get_ydata()) == (0.3, 0.4)


def test_a_single_run_has_no_interval(ax, find, drawn):
    method_comparison(RUNS.iloc[4:6], value="accuracy", ax=ax)
    assert np.isnan(find(ax, "interval-aoq")[0].get_ydata()).all()
    drawn(ax)


def test_the_bootstrap_covers_as_scipy_does():
    stats = pytest.importorskip("scipy.stats")
    sample = np.random.default_rng(1).normal(size=30)
    theirs = stats.bootstrap((sample,), np.mean, method="percentile", rng=0).confidence_interval
    assert bootstrap_interval(sample) == pytest.approx(tuple(theirs), abs=0.02)


@pytest.mark.parametrize(
    ("runs", "arguments", "match"),
    [
        (RUNS.drop(columns="method"), {}, "method"),
        (RUNS.assign(accuracy=np.nan), {}, "not finite"),
        (RUNS, {"intervals": {"lsq": (0.0, 1.0)}}, "none for 'aoq'"),
    ],
)
def test_comparisons_without_a_figure_are_refused(ax, runs, arguments, match):
    with pytest.raises(ValueError, match=match):
        method_comparison(runs, value="accuracy", ax=ax, **arguments)
