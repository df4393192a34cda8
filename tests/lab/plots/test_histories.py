import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from aoqlab.lab.plots import crossings_over_time, level_histogram_over_time, method_color

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


@pytest.mark.parametrize("spread", ["minmax", "sd"])
def test_bands_span_the_seeds(ax, spread):
    errorbar = ("pi", 100) if spread == "minmax" else "sd"
    crossings_over_time(HISTORY, seeds=False, errorbar=errorbar, ax=ax)
    assert not lines(ax, "lsq", bold=False)
    y = ax.collections[0].get_paths()[0].vertices[:, 1]
    groups = HISTORY[HISTORY["method"] == "lsq"].groupby("step")["crossings"]
    low, high = (
        (groups.min(), groups.max())
        if spread == "minmax"
        else (
            groups.mean() - groups.std(),
            groups.mean() + groups.std(),
        )
    )
    assert (y.min(), y.max()) == (pytest.approx(low.min()), pytest.approx(high.max()))


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


def shares(n):
    raw = RNG.uniform(size=(len(STEPS), n))
    raw /= raw.sum(axis=1, keepdims=True)
    return pd.DataFrame(
        [(step, level, raw[i, level]) for i, step in enumerate(STEPS) for level in range(n)],
        columns=["step", "level", "share"],
    )


def heights(area, step):
    x, y = area.get_paths()[0].vertices.T
    return np.unique(y[np.isclose(x, step)])


def test_stacks_hold_the_shares_and_sum_to_one(ax, drawn):
    frame = shares(4)
    level_histogram_over_time(frame.sample(frac=1, random_state=0), stages=STAGES, ax=ax)
    areas = ax.collections[:4]
    for step in STEPS[1:-1]:
        expected = frame[frame["step"] == step].sort_values("level")["share"]
        borders = [heights(area, step) for area in areas]
        assert np.allclose([np.ptp(b) for b in borders], expected)
        assert borders[-1].max() == pytest.approx(1.0)
    assert ax.get_ylim() == (0, 1)
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["3", "2", "1", "0"]
    drawn(ax)


def test_a_missing_level_has_no_share(ax):
    frame = pd.DataFrame({"step": [0, 1, 1], "level": [0, 0, 1], "share": [1.0, 0.25, 0.75]})
    level_histogram_over_time(frame, ax=ax)
    assert np.ptp(heights(ax.collections[1], 0)) == 0.0


def test_many_levels_get_a_colour_bar(ax, drawn):
    level_histogram_over_time(shares(64), ax=ax)
    assert ax.get_legend() is None
    assert len(ax.figure.axes) == 2
    drawn(ax)


@pytest.mark.parametrize(
    ("frame", "match"),
    [
        (shares(3).assign(share=0.5), "add up to 1"),
        (pd.concat([shares(3)] * 2), "several rows"),
        (shares(3).drop(columns="share"), "share"),
    ],
)
def test_shares_that_are_none_are_refused(ax, frame, match):
    with pytest.raises(ValueError, match=match):
        level_histogram_over_time(frame, ax=ax)
