import numpy as np
import pytest
from scipy.spatial import ConvexHull

from aoqlab.lab.plots import convex_hull
from aoqlab.lab.plots.hulls import pad_hull


@pytest.mark.parametrize("seed", range(20))
def test_it_is_the_hull_of_another_program(seed):
    points = np.random.default_rng(seed).integers(-3, 4, size=(12, 2)) * 0.5
    hull = convex_hull(points)
    other = points[ConvexHull(points).vertices]
    assert {tuple(p) for p in hull} == {tuple(p) for p in other}


def test_vertices_run_counter_clockwise():
    x, y = convex_hull([[0, 0], [1, 1], [1, 0], [0, 1], [0.5, 0.5]]).T
    assert np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)) / 2 == 1.0


@pytest.mark.parametrize(
    ("points", "hull"),
    [
        ([[0.5, -0.5]] * 4, [[0.5, -0.5]]),
        ([[1, 1], [0, 0], [0.5, 0.5]], [[0, 0], [1, 1]]),
        ([[0, 1], [0, 0], [0, 3], [0, 2]], [[0, 0], [0, 3]]),
    ],
)
def test_degenerate_hulls_are_points_and_segments(points, hull):
    assert np.array_equal(convex_hull(points), hull)


@pytest.mark.parametrize("points", [np.empty((0, 2)), [[0, np.nan]], [0, 1]])
def test_what_has_no_hull_is_refused(points):
    with pytest.raises(ValueError, match="convex_hull needs"):
        convex_hull(points)


@pytest.mark.parametrize("points", [[[0, 0]], [[0, 0], [1, 0]], [[0, 0], [1, 0], [0, 1]]])
def test_padding_keeps_its_distance(points):
    grown = pad_hull(points, 0.1)
    distance = np.linalg.norm(grown[:, None] - np.asarray(points)[None], axis=-1).min(axis=1)
    assert np.allclose(distance, 0.1)
    assert len(grown) > 10


def test_no_padding_changes_nothing():
    assert np.array_equal(pad_hull([[0, 0], [1, 0]], 0.0), [[0, 0], [1, 0]])
