import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import LogNorm

from aoqlab.lab.plots import interval_surface

SHRINKS, RATES = [0.1, 0.3, 0.5, 1.0], [1e-4, 1e-3, 1e-2]
RUNS = pd.DataFrame(
    [
        (a, lr, seed, 20 + 30 * np.log(a / 0.5) ** 2 + 5 * (np.log10(lr) + 3) ** 2 + seed)
        for a in SHRINKS
        for lr in RATES
        for seed in range(5)
    ],
    columns=["shrink_min", "lr", "seed", "loss"],
)


def cells(ax):
    return np.ma.asarray(ax.collections[0].get_array()).reshape(len(RATES), len(SHRINKS))


def optimum(find, ax):
    (frame,) = find(ax, "optimum")
    return frame.get_x() + 0.5, frame.get_y() + 0.5


def test_cells_are_means_over_seeds(ax, drawn):
    interval_surface(RUNS.sample(frac=1, random_state=0), ax=ax)
    expected = RUNS.pivot_table(index="lr", columns="shrink_min", values="loss")
    assert np.allclose(cells(ax), expected)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["0.1", "0.3", "0.5", "1"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["0.0001", "0.001", "0.01"]
    drawn(ax)


def test_the_optimum_is_framed(ax, find):
    interval_surface(RUNS, ax=ax)
    assert optimum(find, ax) == (2, 1)
    (bold,) = [t for t in ax.texts if t.get_fontweight() == "bold"]
    assert bold.get_position() == (2, 1)


def test_a_measure_without_a_best_has_no_frame_and_shared_limits(ax, find):
    interval_surface(RUNS, best=False, limits=(0.0, 500.0), ax=ax)
    assert find(ax, "optimum") == []
    assert ax.collections[0].get_clim() == (0, 500)
    assert [t for t in ax.texts if t.get_fontweight() == "bold"] == []


def test_higher_can_be_better(ax, find):
    interval_surface(RUNS.assign(accuracy=-RUNS["loss"]), value="accuracy", lower_is_better=False, ax=ax)
    assert optimum(find, ax) == (2, 1)


def test_yellow_is_better_either_way(ax):
    interval_surface(RUNS, ax=ax)
    mesh = ax.collections[0]
    best = mesh.cmap(mesh.norm(cells(ax).min()))
    ax.clear()
    interval_surface(RUNS.assign(loss=-RUNS["loss"]), lower_is_better=False, ax=ax)
    mesh = ax.collections[0]
    assert mesh.cmap(mesh.norm(cells(ax).max())) == best


def test_n_per_cell_is_told(ax):
    interval_surface(RUNS, ax=ax)
    assert ax.get_title("right").startswith("n = 5 per cell")
    ax.clear()
    interval_surface(RUNS.iloc[1:], ax=ax)
    assert ax.get_title("right").startswith("n = 4–5 per cell")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_diverged_run_hatches_its_cell_and_bars_it_from_the_optimum(ax, find, bad):
    runs = RUNS.copy()
    hit = (runs["shrink_min"] == 0.5) & (runs["lr"] == 1e-3) & (runs["seed"] == 3)
    runs.loc[hit, "loss"] = bad
    interval_surface(runs, ax=ax)
    (hatched,) = find(ax, "not-finite")
    assert hatched.get_xy() == (1.5, 0.5)
    assert optimum(find, ax) != (2, 1)


def test_a_setting_never_tried_is_blank(ax, find, drawn):
    interval_surface(RUNS[(RUNS["shrink_min"] > 0.1) | (RUNS["lr"] < 1e-2)], ax=ax)
    assert np.ma.getmaskarray(cells(ax))[2, 0]
    assert not find(ax, "not-finite")
    drawn(ax)


def test_log_colours(ax, drawn):
    interval_surface(RUNS, log=True, annotate=False, ax=ax)
    assert isinstance(ax.collections[0].norm, LogNorm)
    assert not ax.texts
    drawn(ax)


def test_the_colour_bar_names_the_value(ax):
    interval_surface(RUNS, ax=ax)
    assert ax.figure.axes[1].get_ylabel() == r"loss $\mathcal{L}$, mean"


@pytest.mark.parametrize("log", [True, False])
def test_a_single_cell_draws(ax, find, drawn, log):
    interval_surface(RUNS[(RUNS["shrink_min"] == 0.5) & (RUNS["lr"] == 1e-3)], log=log, ax=ax)
    assert optimum(find, ax) == (0, 0)
    drawn(ax)


@pytest.mark.parametrize(
    ("runs", "arguments", "match"),
    [
        (RUNS.drop(columns="lr"), {}, "lr"),
        (RUNS.assign(loss=np.nan), {}, "no optimum"),
        (RUNS.assign(loss=-1.0), {"log": True}, "positive"),
    ],
)
def test_surfaces_without_a_figure_are_refused(ax, runs, arguments, match):
    with pytest.raises(ValueError, match=match):
        interval_surface(runs, ax=ax, **arguments)
