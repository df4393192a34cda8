import numpy as np
import pytest
from matplotlib.colors import to_hex

from aoqlab.lab.plots import level_colors, method_color, staircase, weight_histogram

THRESHOLDS = np.array([-0.5, 0.0, 0.5])
LEVELS = np.array([-0.6, -0.2, 0.2, 0.6])


def test_a_staircase_has_marks_at_thresholds_and_levels(ax, find, drawn):
    staircase(THRESHOLDS, LEVELS, ax=ax)
    (thresholds,), (levels,) = find(ax, "thresholds"), find(ax, "levels")
    assert np.array_equal([segment[0, 0] for segment in thresholds.get_segments()], THRESHOLDS)
    assert np.array_equal([segment[0, 1] for segment in levels.get_segments()], LEVELS)
    drawn(ax)


def test_the_curve_is_the_quantizer(ax, find):
    staircase(THRESHOLDS, LEVELS, xlim=(-1, 1), ax=ax)
    (curve,) = find(ax, "staircase")
    steps, edges, _ = curve.get_data()
    assert to_hex(curve.get_edgecolor()) == method_color("aoq").lower()
    middles = (edges[:-1] + edges[1:]) / 2
    assert np.array_equal(steps, LEVELS[np.searchsorted(THRESHOLDS, middles, side="right")])
    assert np.array_equal(edges, [-1, *THRESHOLDS, 1])


def test_a_window_shows_its_own_part(ax, find):
    staircase(THRESHOLDS, LEVELS, xlim=(-0.25, 0.25), ax=ax)
    steps, edges, _ = find(ax, "staircase")[0].get_data()
    assert np.array_equal(edges, [-0.25, 0, 0.25])
    assert np.array_equal(steps, [-0.2, 0.2])
    assert ax.get_xlim() == (-0.25, 0.25)


def test_straight_through_is_identity_or_a_curve(ax, find):
    staircase(THRESHOLDS, LEVELS, ax=ax)
    (line,) = find(ax, "straight-through")
    assert np.array_equal(line.get_xdata(), line.get_ydata())
    assert line.is_dashed()
    ax.clear()
    staircase(THRESHOLDS, LEVELS, ste=([-1, 0, 2], [0, 0, 2]), ax=ax)
    assert np.array_equal(find(ax, "straight-through")[0].get_ydata(), [0, 0, 2])


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


CUTS = np.array([-0.5, 0.03, 0.5])
VALUES = np.array([-0.75, -0.25, 0.25, 0.75])
HISTOGRAM = np.histogram(np.random.default_rng(0).normal(0, 0.5, size=2000), bins=37)


def area(patch):
    heights, edges, _ = patch.get_data()
    return float(heights @ np.diff(edges))


def test_a_histogram_has_marks_at_thresholds_and_levels(ax, find, drawn):
    weight_histogram(*HISTOGRAM, thresholds=CUTS, levels=VALUES, ax=ax)
    assert np.array_equal([s[0, 0] for s in find(ax, "thresholds")[0].get_segments()], CUTS)
    assert np.array_equal(find(ax, "levels")[0].get_offsets()[:, 0], VALUES)
    drawn(ax)


def test_the_outline_is_the_histogram(ax, find):
    weight_histogram(*HISTOGRAM, thresholds=CUTS, levels=VALUES, ax=ax)
    heights, edges, _ = find(ax, "outline")[0].get_data()
    assert np.array_equal(heights, HISTOGRAM[0])
    assert np.array_equal(edges, HISTOGRAM[1])


def test_shading_parts_the_histogram_exactly_at_the_thresholds(ax, find):
    weight_histogram(*HISTOGRAM, thresholds=CUTS, levels=VALUES, ax=ax)
    parts = [find(ax, f"level-{index}")[0] for index in range(4)]
    assert [part.get_data().edges[0] for part in parts[1:]] == list(CUTS)
    assert [part.get_data().edges[-1] for part in parts[:-1]] == list(CUTS)
    assert sum(map(area, parts)) == pytest.approx(area(find(ax, "outline")[0]))
    assert [part.get_facecolor()[:3] for part in parts] == [color[:3] for color in level_colors(4)]


def test_levels_that_no_weight_reaches_have_no_fill(ax, find, drawn):
    weight_histogram([5], [-0.4, 0.6], thresholds=CUTS * 10, levels=VALUES, ax=ax)
    assert not find(ax, "level-0")
    drawn(ax)


def test_a_fixed_view_leaves_out_the_levels_outside_it(ax, find, drawn):
    weight_histogram(*HISTOGRAM, thresholds=CUTS, levels=VALUES, xlim=(-0.5, 0.8), ax=ax)
    assert ax.get_xlim() == (-0.5, 0.8)
    assert np.array_equal(find(ax, "levels")[0].get_offsets()[:, 0], VALUES[1:])
    drawn(ax)


def test_a_fixed_view_may_hold_no_level(ax, drawn):
    weight_histogram(*HISTOGRAM, thresholds=CUTS, levels=VALUES * 100, xlim=(-2, 2), ax=ax)
    drawn(ax)
    assert ax.get_xlim() == (-2, 2)


@pytest.mark.parametrize(("counts", "match"), [([1, 2], "3 edges"), ([np.inf], "finite")])
def test_what_makes_no_histogram_is_refused(counts, match):
    with pytest.raises(ValueError, match=match):
        weight_histogram(counts, [0, 1], thresholds=CUTS, levels=VALUES)
