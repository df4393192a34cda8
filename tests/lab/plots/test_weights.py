import numpy as np
import pytest

from aoqlab.lab.plots import level_colors, weight_histogram

THRESHOLDS = np.array([-0.5, 0.03, 0.5])
LEVELS = np.array([-0.75, -0.25, 0.25, 0.75])
WEIGHTS = np.random.default_rng(0).normal(0, 0.5, size=(40, 50))


def area(patch):
    heights, edges, _ = patch.get_data()
    return float(heights @ np.diff(edges))


def test_marks_lie_at_thresholds_and_levels(ax, find, drawn):
    weight_histogram(WEIGHTS, thresholds=THRESHOLDS, levels=LEVELS, ax=ax)
    assert np.array_equal([s[0, 0] for s in find(ax, "thresholds")[0].get_segments()], THRESHOLDS)
    assert np.array_equal(find(ax, "levels")[0].get_offsets()[:, 0], LEVELS)
    drawn(ax)


def test_the_outline_is_the_histogram(ax, find):
    weight_histogram(WEIGHTS, thresholds=THRESHOLDS, levels=LEVELS, bins=37, ax=ax)
    heights, edges, _ = find(ax, "outline")[0].get_data()
    expected, borders = np.histogram(WEIGHTS, bins=37)
    assert np.array_equal(heights, expected)
    assert np.array_equal(edges, borders)


def test_shading_parts_the_histogram_exactly_at_the_thresholds(ax, find):
    weight_histogram(WEIGHTS, thresholds=THRESHOLDS, levels=LEVELS, bins=37, ax=ax)
    parts = [find(ax, f"level-{index}")[0] for index in range(4)]
    assert [part.get_data().edges[0] for part in parts[1:]] == list(THRESHOLDS)
    assert [part.get_data().edges[-1] for part in parts[:-1]] == list(THRESHOLDS)
    assert sum(map(area, parts)) == pytest.approx(area(find(ax, "outline")[0]))
    assert [part.get_facecolor()[:3] for part in parts] == [color[:3] for color in level_colors(4)]


def test_counts_draw_the_same_as_their_weights(ax, find):
    counts, edges = np.histogram(WEIGHTS, bins=200)
    weight_histogram(WEIGHTS, thresholds=THRESHOLDS, levels=LEVELS, ax=ax)
    first = find(ax, "outline")[0].get_data()
    ax.clear()
    weight_histogram(counts=counts, edges=edges, thresholds=THRESHOLDS, levels=LEVELS, ax=ax)
    second = find(ax, "outline")[0].get_data()
    assert all(np.array_equal(a, b) for a, b in zip(first[:2], second[:2], strict=True))


def test_without_shading_one_fill(ax, find):
    weight_histogram(WEIGHTS, thresholds=THRESHOLDS, levels=LEVELS, shade=False, ax=ax)
    assert find(ax, "weights")
    assert not find(ax, "level-0")


def test_levels_that_no_weight_reaches_have_no_fill(ax, find, drawn):
    weight_histogram(np.full(5, 0.1), thresholds=THRESHOLDS * 10, levels=LEVELS, ax=ax)
    assert not find(ax, "level-0")
    drawn(ax)


def test_a_fixed_view_leaves_out_the_levels_outside_it(ax, find, drawn):
    weight_histogram(WEIGHTS, thresholds=THRESHOLDS, levels=LEVELS, xlim=(-0.5, 0.8), ax=ax)
    assert ax.get_xlim() == (-0.5, 0.8)
    assert np.array_equal(find(ax, "levels")[0].get_offsets()[:, 0], LEVELS[1:])
    drawn(ax)


def test_a_fixed_view_may_hold_no_level(ax, drawn):
    weight_histogram(WEIGHTS, thresholds=THRESHOLDS, levels=LEVELS * 100, xlim=(-2, 2), ax=ax)
    drawn(ax)
    assert ax.get_xlim() == (-2, 2)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({}, "either"),
        ({"weights": [1.0], "counts": [1], "edges": [0, 1]}, "either"),
        ({"weights": [1.0], "edges": [0, 1]}, "edges go with counts"),
        ({"counts": [1]}, "counts need edges"),
        ({"counts": [1, 2], "edges": [0, 1]}, "3 edges"),
        ({"weights": [np.inf, 0.0]}, "finite"),
        ({"weights": []}, "empty"),
    ],
)
def test_a_histogram_that_is_none_is_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        weight_histogram(thresholds=THRESHOLDS, levels=LEVELS, **arguments)
