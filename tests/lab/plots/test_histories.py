import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from aoqlab.lab.plots import crossings_over_time, method_color

STEPS = np.arange(0, 100, 10)
RNG = np.random.default_rng(0)
HISTORY = pd.concat(
    [
        pd.DataFrame({"method": m, "seed": s, "step": STEPS, "crossings": RNG.poisson(20, len(STEPS))})
        for m in ("lsq", "aoq")
        for s in range(4)
    ]
)
STAGES = [(0, 20, "shrink"), (20, 60, "widen"), (60, 100, "dampen")]


def lines(ax, method, *, bold):
    own = [
        line for line in ax.lines if to_hex(line.get_color()) == method_color(method).lower() and len(line.get_xdata())
    ]
    return [line for line in own if (line.get_linewidth() > 1) == bold]


def test_the_bold_line_is_the_mean_over_seeds(ax, drawn):
    crossings_over_time(HISTORY, ax=ax)
    for method in ("lsq", "aoq"):
        (line,) = lines(ax, method, bold=True)
        expected = HISTORY[HISTORY["method"] == method].groupby("step")["crossings"].mean()
        assert np.allclose(line.get_ydata(), expected)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["LSQ (n = 4)", "AOQ (n = 4)"]
    drawn(ax)


def test_on_a_logarithmic_scale_the_mean_stays_the_arithmetic_one(ax, drawn):
    ax.set_yscale("log")
    crossings_over_time(HISTORY, logy=True, ax=ax)
    (line,) = lines(ax, "aoq", bold=True)
    expected = HISTORY[HISTORY["method"] == "aoq"].groupby("step")["crossings"].mean()
    assert np.allclose(line.get_ydata(), expected)
    assert ax.get_yscale() == "log"
    drawn(ax)


def test_every_seed_is_seen(ax):
    crossings_over_time(HISTORY, ax=ax)
    own = HISTORY[HISTORY["method"] == "aoq"].pivot(index="seed", columns="step", values="crossings")
    assert np.array_equal([line.get_ydata() for line in lines(ax, "aoq", bold=False)], own)


def test_the_seeds_can_be_left_out(ax):
    crossings_over_time(HISTORY, seeds=False, ax=ax)
    assert not lines(ax, "lsq", bold=False)
    assert len(lines(ax, "lsq", bold=True)) == 1


def test_a_column_run_tells_runs_apart(ax):
    history = HISTORY.assign(run=HISTORY["method"] + HISTORY["seed"].astype(str), seed=0)
    crossings_over_time(history, ax=ax)
    assert len(lines(ax, "lsq", bold=False)) == len(lines(ax, "aoq", bold=False)) == 4


def test_runs_of_different_length_are_averaged_where_they_are(ax):
    history = HISTORY[(HISTORY["seed"] > 0) | (HISTORY["step"] < 50)]
    crossings_over_time(history, ax=ax)
    assert [len(line.get_xdata()) for line in lines(ax, "lsq", bold=False)] == [5, 10, 10, 10]
    assert len(lines(ax, "lsq", bold=True)[0].get_xdata()) == 10


def test_numeric_hues_and_other_columns(ax):
    history = HISTORY.rename(columns={"crossings": "explored_volume"}).assign(lr=1e-3)
    crossings_over_time(history[history["method"] == "aoq"], y="explored_volume", hue="lr", ax=ax)
    assert ax.get_ylabel() == "explored log-volume (share)"
    assert ax.yaxis.get_major_formatter()(0.25) == "25%"
    assert ax.get_legend().get_title().get_text() == r"learning rate $\eta$"


def test_stages_are_shaded_and_named(ax, find, drawn):
    crossings_over_time(HISTORY, stages=STAGES, ax=ax)
    (shade,) = find(ax, "stage-dampen")
    assert (shade.get_x(), shade.get_width()) == (60, 40)
    (top,) = ax.child_axes
    assert [t.get_text() for t in top.get_xticklabels()] == ["shrink", "widen", "dampen"]
    assert np.array_equal(top.get_xticks(), [10, 40, 80])
    drawn(ax)


@pytest.mark.parametrize(
    ("history", "arguments", "match"),
    [
        (HISTORY.drop(columns="seed"), {}, '"run" or "seed"'),
        (pd.concat([HISTORY, HISTORY]), {}, "several rows"),
        (HISTORY, {"y": "loss"}, "loss"),
        (HISTORY, {"stages": [(5, 5, "x")]}, "must end after"),
        (HISTORY.replace("lsq", "mine"), {}, "unknown method"),
    ],
)
def test_histories_without_a_figure_are_refused(ax, history, arguments, match):
    with pytest.raises(ValueError, match=match):
        crossings_over_time(history, ax=ax, **arguments)
