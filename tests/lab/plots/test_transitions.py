import numpy as np
import pytest
from matplotlib.colors import LogNorm

from aoqlab.lab.plots import transition_heatmap
from aoqlab.lab.plots.transitions import _short

MATRIX = np.array([[0, 5, 0], [1200, 0, 31], [0, 2_500_000, 0]])


def test_rows_are_left_and_columns_reached(ax, drawn):
    transition_heatmap(MATRIX, levels=[-1, 0, 1], ax=ax)
    texts = {t.get_position(): t.get_text() for t in ax.texts}
    assert texts == {(1, 0): "5", (0, 1): "1.2k", (2, 1): "31", (1, 2): "2.5M"}
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
    transition_heatmap(MATRIX, log=False, ax=ax)
    assert ax.figure.axes[1].get_ylabel() == "transitions"


def test_matrices_with_the_same_limits_compare(ax):
    transition_heatmap(MATRIX, limits=(1, 1000), ax=ax)
    norm = ax.collections[0].norm
    assert (norm.vmin, norm.vmax) == (1, 1000)


@pytest.mark.parametrize("n", [1, 2, 16, 64, 256])
@pytest.mark.parametrize("log", [True, False])
def test_every_size_draws(ax, drawn, n, log):
    matrix = np.random.default_rng(n).integers(0, 5, size=(n, n))
    transition_heatmap(matrix, log=log, ax=ax)
    assert len(ax.texts) == (np.count_nonzero(matrix) if n <= 16 else 0)
    drawn(ax)


@pytest.mark.parametrize("matrix", [np.zeros((4, 4)), np.full((2, 2), 7)])
@pytest.mark.parametrize("log", [True, False])
def test_no_and_equal_transitions_draw(ax, drawn, matrix, log):
    drawn(transition_heatmap(matrix, log=log, ax=ax))
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
    [(0, ""), (7, "7"), (999, "999"), (999.6, "1.0k"), (9_949, "9.9k"), (9_950, "10k"), (999_499, "999k"),
     (999_600, "1.0M"), (3e9, "3.0G")],
)  # fmt: skip
def test_counts_take_four_characters_at_most(count, text):
    assert _short(count) == text
