import numpy as np
import pytest

from aoqlab.lab.plots import method_color, staircase

THRESHOLDS = np.array([-0.5, 0.0, 0.5])
LEVELS = np.array([-0.6, -0.2, 0.2, 0.6])


def test_marks_lie_at_thresholds_and_levels(ax, find, drawn):
    staircase(THRESHOLDS, LEVELS, ax=ax)
    (thresholds,), (levels,) = find(ax, "thresholds"), find(ax, "levels")
    assert np.array_equal([segment[0, 0] for segment in thresholds.get_segments()], THRESHOLDS)
    assert np.array_equal([segment[0, 1] for segment in levels.get_segments()], LEVELS)
    drawn(ax)


def test_the_curve_is_the_quantizer(ax, find):
    staircase(THRESHOLDS, LEVELS, xlim=(-1, 1), ax=ax)
    (line,) = find(ax, "staircase")
    x, y = line.get_data()
    assert line.get_color() == method_color("aoq")
    middles = (x[::2] + x[1::2]) / 2
    assert np.array_equal(y[::2], LEVELS[np.searchsorted(THRESHOLDS, middles, side="right")])
    assert np.array_equal(x[1:-1:2], THRESHOLDS)


def test_a_window_shows_its_own_part(ax, find):
    staircase(THRESHOLDS, LEVELS, xlim=(-0.25, 0.25), ax=ax)
    x, y = find(ax, "staircase")[0].get_data()
    assert np.array_equal(x, [-0.25, 0, 0, 0.25])
    assert np.array_equal(y, [-0.2, -0.2, 0.2, 0.2])
    assert ax.get_xlim() == (-0.25, 0.25)


def test_straight_through_is_identity_a_curve_or_absent(ax, find):
    staircase(THRESHOLDS, LEVELS, ax=ax)
    (line,) = find(ax, "straight-through")
    assert np.array_equal(line.get_xdata(), line.get_ydata())
    assert line.is_dashed()
    ax.clear()
    staircase(THRESHOLDS, LEVELS, ste=([-1, 0, 2], [0, 0, 2]), ax=ax)
    assert np.array_equal(find(ax, "straight-through")[0].get_ydata(), [0, 0, 2])
    ax.clear()
    staircase(THRESHOLDS, LEVELS, ste=False, ax=ax)
    assert not find(ax, "straight-through")


def test_eight_bits_have_every_mark(ax, find, drawn):
    k = np.arange(-128, 128)
    staircase(k[1:] * 0.1, (k + 0.5) * 0.1, ax=ax)
    assert len(find(ax, "thresholds")[0].get_segments()) == 255
    assert len(find(ax, "levels")[0].get_segments()) == 256
    drawn(ax)


def test_labels_carry_symbols(ax):
    staircase(THRESHOLDS, LEVELS, quantity="activation", method="ltq", ax=ax)
    assert ax.get_xlabel() == "activation $x$"


@pytest.mark.parametrize(
    ("thresholds", "levels", "match"),
    [
        ([0, 1], [0, 1], "2 levels need 1"),
        ([1, 0, 2], LEVELS, "ascending"),
        ([0, np.nan, 1], LEVELS, "finite"),
        ([[0.0]], [0, 1], "one-dimensional"),
    ],
)
def test_a_grid_that_is_none_is_refused(thresholds, levels, match):
    with pytest.raises(ValueError, match=match):
        staircase(thresholds, levels)


def test_a_window_the_wrong_way_round_is_refused():
    with pytest.raises(ValueError, match="xlim"):
        staircase(THRESHOLDS, LEVELS, xlim=(1, -1))


def test_current_axes_are_the_default(ax):
    assert staircase(THRESHOLDS, LEVELS) is ax
