import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import StepPatch

from aoqlab.lab.plots import level_colors, pretrained_histograms

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame({"weight": RNG.normal(size=400), "level": RNG.choice([-2.0, -1.0, 0.0, 1.0], 400)})


def ridges(ax):
    return [p for p in ax.patches if isinstance(p, StepPatch) and p.get_fill()]


def test_ridges_are_the_histograms_of_each_level(ax, drawn):
    pretrained_histograms(FRAME, bins=20, ax=ax)
    edges = np.histogram_bin_edges(FRAME["weight"], bins=20)
    counts = [np.histogram(FRAME.loc[FRAME["level"] == v, "weight"], bins=edges)[0] for v in (-2, -1, 0, 1)]
    drawn_rows = {round(float(p.get_data().baseline)): p for p in ridges(ax)}
    scale = {row: (drawn_rows[row].get_data().values - row) / np.maximum(counts[row], 1) for row in range(4)}
    factors = np.concatenate([scale[row][counts[row] > 0] for row in range(4)])
    assert np.allclose(factors, factors[0])
    assert all(np.allclose(p.get_data().edges, edges) for p in ridges(ax))
    assert drawn_rows[0].get_facecolor()[:3] == level_colors(4)[0][:3]
    drawn(ax)


def test_the_scale_bar_measures_the_ridges(ax, find):
    pretrained_histograms(FRAME, bins=20, ax=ax)
    (bar,) = find(ax, "scale-bar")
    size = next(int(t.get_text().split()[0]) for t in ax.texts if "weights" in t.get_text())
    top = max(ridges(ax), key=lambda p: np.ptp(p.get_data().values))
    tallest = np.ptp(np.append(top.get_data().values, top.get_data().baseline))
    edges = top.get_data().edges
    row = float(FRAME["level"].unique()[0] * 0 + [-2, -1, 0, 1][round(float(top.get_data().baseline))])
    count = np.histogram(FRAME.loc[FRAME["level"] == row, "weight"], bins=edges)[0].max()
    assert np.ptp(bar.get_ydata()) / size == pytest.approx(tallest / count)


def test_n_is_at_every_row_even_an_empty_one(ax):
    pretrained_histograms(FRAME[FRAME["level"] < 1], levels=[-2, -1, 0, 1], ax=ax)
    totals = [int((FRAME["level"] == v).sum()) for v in (-2, -1, 0)]
    texts = {round(t.xy[1]): t.get_text() for t in ax.texts if t.get_text().startswith("n =")}
    assert texts == {0: f"n = {totals[0]}", 1: f"n = {totals[1]}", 2: f"n = {totals[2]}", 3: "n = 0"}
    assert [t.get_text() for t in ax.get_yticklabels()] == ["−2", "−1", "0", "1"]


def test_equal_weights_still_draw(ax, drawn):
    drawn(pretrained_histograms(pd.DataFrame({"weight": [0.3] * 3, "level": [0, 0, 1]}), ax=ax))
    assert [t.get_text() for t in ax.get_yticklabels()] == ["0", "1"]


@pytest.mark.parametrize(
    ("frame", "arguments", "match"),
    [
        (FRAME.drop(columns="level"), {}, "level"),
        (FRAME.iloc[:0], {}, "without rows"),
        (FRAME, {"levels": [0, 1]}, "lacks"),
        (FRAME.assign(weight=np.nan), {}, "finite"),
    ],
)
def test_frames_without_a_figure_are_refused(ax, frame, arguments, match):
    with pytest.raises(ValueError, match=match):
        pretrained_histograms(frame, ax=ax, **arguments)
