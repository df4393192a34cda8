import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import LogNorm

from aoqlab.lab.plots import interval_surface, transition_heatmap
from aoqlab.lab.plots.heatmaps import _count

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
    return frame.get_x(), frame.get_y()


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
    assert not ax.yaxis_inverted()
    (bold,) = [t for t in ax.texts if t.get_fontweight() == "bold"]
    assert bold.get_position() == (2.5, 1.5)


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
    assert hatched.get_xy() == (2, 1)
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


def test_the_colour_bar_names_the_value(ax, drawn):
    interval_surface(RUNS, log=True, ax=ax)
    drawn(ax)
    bar = ax.figure.axes[1]
    assert bar.get_ylabel() == r"loss $\mathcal{L}$, mean"
    assert {"20", "40", "100"} <= {text.get_text() for text in bar.get_yticklabels()}


def test_shares_are_printed_in_percent(ax, drawn):
    interval_surface(RUNS.assign(true_codes=RUNS["loss"] / 1000), value="true_codes", ax=ax)
    drawn(ax)
    assert all(text.get_text().endswith("%") for text in ax.texts)
    assert all(text.get_text().endswith("%") for text in ax.figure.axes[1].get_yticklabels())


def test_the_figure_is_not_drawn_on_the_way(monkeypatch):
    import matplotlib.pyplot as plt

    figure = plt.figure()
    canvas = figure.canvas
    monkeypatch.setattr(canvas, "draw", lambda: pytest.fail("drawn"))
    interval_surface(RUNS, ax=figure.add_subplot())
    assert figure.canvas is canvas


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


MATRIX = np.array([[0, 5, 0], [1200, 0, 31], [0, 2_500_000, 0]])


def test_rows_are_left_and_columns_reached(ax, drawn):
    transition_heatmap(MATRIX, levels=[-1, 0, 1], ax=ax)
    texts = {t.get_position(): t.get_text() for t in ax.texts}
    assert texts == {(1.5, 0.5): "5", (0.5, 1.5): "1.2k", (2.5, 1.5): "31", (1.5, 2.5): "2.5M"}
    assert ax.get_ylim()[0] > ax.get_ylim()[1]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("to level", "from level")
    assert [t.get_text() for t in ax.get_xticklabels()] == ["−1", "0", "1"]
    drawn(ax)


def test_cells_without_transitions_are_blank(ax):
    transition_heatmap(MATRIX, ax=ax)
    cells = ax.collections[0].get_array()
    assert np.array_equal(np.ma.getmaskarray(cells).reshape(3, 3), MATRIX == 0)
    assert isinstance(ax.collections[0].norm, LogNorm)


def test_the_colour_bar_is_labelled(ax):
    transition_heatmap(MATRIX, ax=ax)
    assert ax.figure.axes[1].get_ylabel() == "transitions"


def test_matrices_with_the_same_limits_compare(ax):
    transition_heatmap(MATRIX, limits=(1, 1000), ax=ax)
    norm = ax.collections[0].norm
    assert (norm.vmin, norm.vmax) == (1, 1000)


@pytest.mark.parametrize("n", [1, 2, 16, 64, 256])
def test_every_size_draws(ax, drawn, n):
    matrix = np.random.default_rng(n).integers(0, 5, size=(n, n))
    transition_heatmap(matrix, ax=ax)
    assert len(ax.texts) == (np.count_nonzero(matrix) if n <= 16 else 0)
    drawn(ax)


@pytest.mark.parametrize("matrix", [np.zeros((4, 4)), np.full((2, 2), 7)])
def test_no_and_equal_transitions_draw(ax, drawn, matrix):
    drawn(transition_heatmap(matrix, ax=ax))
    assert len(ax.get_xticklabels()) == len(ax.get_yticklabels()) == len(matrix)


@pytest.mark.parametrize(
    ("matrix", "levels", "match"),
    [
        (np.zeros((2, 3)), None, "square"),
        ([[0, -1], [0, 0]], None, "not negative"),
        (MATRIX, [0, 1], "3 levels"),
    ],
)
def test_what_counts_nothing_is_refused(ax, matrix, levels, match):
    with pytest.raises(ValueError, match=match):
        transition_heatmap(matrix, levels=levels, ax=ax)


@pytest.mark.parametrize(
    ("count", "text"),
    [(7.0, "7"), (999.0, "999"), (1234.0, "1.23k"), (99_951.0, "100k"), (999_600.0, "1M"), (3e9, "3G")],
)
def test_counts_keep_three_digits(count, text):
    assert _count(count) == text
