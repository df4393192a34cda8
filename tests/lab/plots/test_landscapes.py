import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from aoqlab.lab.plots import landscape, method_color
from aoqlab.lab.plots.landscapes import _outline

FINE = np.linspace(-1.75, 1.75, 29)
X, Y = np.meshgrid(FINE, FINE[:21])
VALUES = X**2 - Y


def run(method, start, points):
    q = np.asarray(points, dtype=float)
    frame = pd.DataFrame({"method": method, "start": start, "step": range(len(q)), "q1": q[:, 0], "q2": q[:, 1]})
    return frame.assign(w1=frame["q1"] + 0.1, w2=frame["q2"] - 0.1)


PATHS = pd.concat(
    [
        run("lsq", 0, [[-0.5, 0.5]] * 3),
        run("aoq", 0, [[-0.5, 0.5], [0, 0.5], [0, 0], [0.5, 0], [0.5, -0.5]]),
        run("aoq", 1, [[1, 1], [1, 0.5]]),
    ]
)


def draw(ax, **arguments):
    return landscape(VALUES, x=FINE, y=FINE[:21], ax=ax, **arguments)


def test_every_grid_point_is_a_dot(ax, find):
    draw(ax)
    dots = find(ax, "grid")[0].get_offsets()
    assert len(dots) == 49
    assert set(np.unique(dots)) == set(np.arange(-1.5, 1.6, 0.5))


def test_hulls_are_of_the_visited_points_grown_a_little(ax, find):
    draw(ax, paths=PATHS)
    (patch,) = find(ax, "hull-aoq")
    visited = PATHS.loc[PATHS["method"] == "aoq", ["q1", "q2"]].to_numpy()
    outline = patch.get_xy()
    grown = 0.08 * 1.3  # as the second method
    distance = np.linalg.norm(outline[:, None] - visited, axis=-1).min(axis=1)
    assert np.allclose(distance, grown)
    assert patch.get_path().contains_points(visited).all()
    assert patch.get_facecolor()[3] < 0.5


@pytest.mark.parametrize("points", [[[0, 0]], [[0, 0], [1, 0]], [[0, 0], [1, 0], [0, 1]]])
def test_an_outline_keeps_its_distance(points):
    outline = _outline(np.array(points, dtype=float), 0.1)
    distance = np.linalg.norm(outline[:, None] - np.asarray(points)[None], axis=-1).min(axis=1)
    assert np.allclose(distance, 0.1)
    assert len(outline) > 10


def test_a_search_that_never_moved_has_a_hull_to_see(ax, find, drawn):
    draw(ax, paths=PATHS)
    (patch,) = find(ax, "hull-lsq")
    outline = patch.get_xy()
    assert np.ptp(outline, axis=0) == pytest.approx([0.16, 0.16])
    assert outline[:-1].mean(axis=0) == pytest.approx([-0.5, 0.5])
    drawn(ax)


def test_traces_follow_the_weights_or_the_grid(ax, find):
    draw(ax, paths=PATHS)
    first = PATHS[(PATHS["method"] == "aoq") & (PATHS["start"] == 0)]
    assert np.array_equal(find(ax, "path-aoq")[0].get_xydata(), first[["w1", "w2"]])
    ax.clear()
    draw(ax, paths=PATHS, trace="quantized")
    assert np.array_equal(find(ax, "path-aoq")[0].get_xydata(), first[["q1", "q2"]])
    ax.clear()
    draw(ax, paths=PATHS.drop(columns=["w1", "w2"]))
    assert np.array_equal(find(ax, "path-aoq")[0].get_xydata(), first[["q1", "q2"]])


def test_steps_count_not_rows(ax, find):
    draw(ax, paths=PATHS.sample(frac=1, random_state=1), trace="quantized")
    assert {tuple(line.get_xydata()[0]) for line in find(ax, "path-aoq")} == {(-0.5, 0.5), (1.0, 1.0)}


def test_ends_are_on_the_grid_in_the_methods_colour(ax, find):
    draw(ax, paths=PATHS)
    ends = find(ax, "end-aoq")
    (ends,) = ends
    assert [tuple(end) for end in ends.get_offsets()] == [(0.5, -0.5), (1.0, 0.5)]
    assert to_hex(ends.get_facecolor()[0]) == method_color("aoq").lower()
    assert sum(len(starts.get_offsets()) for starts in find(ax, "start")) == 3


def test_each_visited_point_is_ringed_once(ax, find):
    draw(ax, paths=PATHS)
    rings = find(ax, "visited-aoq")[0].get_offsets()
    assert len(rings) == 7
    assert len(find(ax, "visited-lsq")[0].get_offsets()) == 1


def test_legend_names_the_methods(ax):
    draw(ax, paths=PATHS)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["LSQ", "AOQ", "start", "end"]


def test_wrong_shapes_and_columns_are_refused(ax):
    with pytest.raises(ValueError, match=r"\(29, 21\)"):
        landscape(VALUES, x=FINE[:21], y=FINE, ax=ax)
    with pytest.raises(ValueError, match="q2"):
        draw(ax, paths=PATHS.drop(columns="q2"))
