import numpy as np
import pandas as pd
import pytest

from aoqlab.lab.plots import seed_differences
from aoqlab.lab.plots._statistics import bootstrap_interval

DIFFERENCES = pd.DataFrame(
    {
        "statistic": ["volume"] * 4 + ["error"] * 3,
        "seed": [0, 1, 2, 3, 0, 1, 2],
        "difference": [0.1, 0.3, 0.2, 0.4, -1.0, 0.5, -0.2],
    }
)


def test_every_seed_is_a_point_and_the_mean_a_diamond(ax, find, drawn):
    seed_differences(DIFFERENCES, ax=ax)
    (points,), (mean,) = find(ax, "seeds-volume"), find(ax, "mean-volume")
    assert np.array_equal(points.get_xdata(), DIFFERENCES["difference"][:4])
    assert mean.get_xdata()[0] == pytest.approx(0.25)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["volume", "error"]
    drawn(ax)


def test_rows_stay_apart_and_run_downwards(ax, find):
    seed_differences(DIFFERENCES, ax=ax)
    heights = [find(ax, f"seeds-{name}")[0].get_ydata() for name in ("volume", "error")]
    assert heights[0].max() < 0.5 < heights[1].min()
    assert ax.yaxis_inverted()


@pytest.mark.parametrize(("direction", "side"), [(1, "right"), (-1, "left")])
def test_the_side_that_the_claim_predicts_is_shaded_from_the_mark_on(ax, find, direction, side):
    seed_differences(DIFFERENCES, mark=-0.4, direction=direction, ax=ax)
    (span,) = find(ax, "claimed")
    left, right = span.get_x(), span.get_x() + span.get_width()
    low, high = ax.get_xlim()
    assert (left, right) == pytest.approx((-0.4, high) if side == "right" else (low, -0.4))
    assert find(ax, "mark")[0].get_xdata()[0] == -0.4


def test_intervals_are_bootstrapped_or_given(ax, find):
    seed_differences(DIFFERENCES, ax=ax)
    assert tuple(find(ax, "interval-volume")[0].get_xdata()) == bootstrap_interval(DIFFERENCES["difference"][:4])
    ax.clear()
    seed_differences(DIFFERENCES, intervals={"volume": (0, 1), "error": (-2, 2)}, ax=ax)
    assert tuple(find(ax, "interval-error")[0].get_xdata()) == (-2, 2)


def test_a_verdict_is_said_by_colour_symbol_and_word(ax, find):
    seed_differences(DIFFERENCES, verdicts={"volume": "reproduced"}, ax=ax)
    (decided,), (beside,) = find(ax, "word-volume"), find(ax, "word-error")
    assert decided.get_text() == "✓ reproduced, n = 4"
    assert beside.get_text() == "n = 3"
    assert decided.get_color() == find(ax, "mean-volume")[0].get_color() != beside.get_color()


def test_the_mark_is_in_view_even_far_from_all_seeds(ax):
    seed_differences(DIFFERENCES, mark=40.0, ax=ax)
    low, high = ax.get_xlim()
    assert low < -1 < 40 < high


def test_a_single_seed_has_no_interval(ax, find, drawn):
    seed_differences(DIFFERENCES.iloc[:1], ax=ax)
    assert np.isnan(find(ax, "interval-volume")[0].get_xdata()).all()
    drawn(ax)


@pytest.mark.parametrize(
    ("differences", "arguments", "match"),
    [
        (DIFFERENCES.drop(columns="difference"), {}, "difference"),
        (DIFFERENCES.assign(difference=np.nan), {}, "not finite"),
        (DIFFERENCES, {"direction": 0}, "direction"),
        (DIFFERENCES, {"intervals": {"volume": (0, 1)}}, "none for 'error'"),
        (DIFFERENCES, {"verdicts": {"volume": "proven"}}, "unknown verdict 'proven'"),
    ],
)
def test_differences_without_a_figure_are_refused(ax, differences, arguments, match):
    with pytest.raises(ValueError, match=match):
        seed_differences(differences, ax=ax, **arguments)
