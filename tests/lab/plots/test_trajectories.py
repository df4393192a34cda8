import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba_array

from aoqlab.lab.plots import level_colors, weight_trajectories

STEPS = np.arange(0, 50, 10)
FRAME = pd.concat(
    [
        pd.DataFrame({"step": STEPS, "weight": 7, "value": [0.1, 0.2, 0.6, 0.4, 0.7], "code": [2, 2, 3, 2, 3]}),
        pd.DataFrame({"step": STEPS, "weight": 9, "value": np.linspace(-2, -1, 5), "code": [0, 0, 0, 1, 1]}),
    ]
)
THRESHOLDS = pd.DataFrame({0: -1.4, 1: -0.5, 2: 0.5}, index=STEPS)


def test_a_line_follows_its_weight(ax, find, drawn):
    weight_trajectories(FRAME, ax=ax)
    (line,) = find(ax, "weight-7")
    points = np.array([segment[0] for segment in line.get_segments()])
    assert np.allclose(points, np.column_stack([STEPS[:-1], [0.1, 0.2, 0.6, 0.4]]))
    assert len(find(ax, "weight-9")) == 1
    drawn(ax)


def test_a_piece_has_the_colour_of_the_level_it_leaves(ax, find):
    weight_trajectories(FRAME, levels=[-2, -1, 0, 1], ax=ax)
    (line,) = find(ax, "weight-7")
    expected = to_rgba_array(level_colors(4))[[2, 2, 3, 2]]
    assert np.allclose(line.get_colors(), expected)


def test_thresholds_are_drawn_over_time_and_all_lines_are_in_view(ax, find):
    weight_trajectories(FRAME, thresholds=THRESHOLDS, ax=ax)
    for number in range(3):
        (line,) = find(ax, f"threshold-{number}")
        assert np.allclose(line.get_ydata(), THRESHOLDS[number])
    low, high = ax.get_ylim()
    assert low <= -2 and high >= 0.7
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["3", "2", "1", "0", "thresholds"]


def test_rows_in_any_order_give_the_same_lines(ax, find):
    weight_trajectories(FRAME.sample(frac=1, random_state=0), ax=ax)
    points = [segment[0] for segment in find(ax, "weight-9")[0].get_segments()]
    assert np.allclose(points, np.column_stack([STEPS[:-1], np.linspace(-2, -1, 5)[:-1]]))


def test_two_runs_in_one_frame_are_refused(ax):
    with pytest.raises(ValueError, match="select one run"):
        weight_trajectories(pd.concat([FRAME, FRAME]), ax=ax)


def test_a_code_without_a_level_is_refused(ax):
    with pytest.raises(ValueError, match="with 3 levels"):
        weight_trajectories(FRAME, levels=[-1, 0, 1], ax=ax)


def test_missing_columns_are_named(ax):
    with pytest.raises(ValueError, match="code"):
        weight_trajectories(FRAME.drop(columns="code"), ax=ax)
