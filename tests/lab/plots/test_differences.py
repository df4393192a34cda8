from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from aoqlab.lab.plots import VERDICTS, claim_evidence, seed_differences

DIFFERENCES = pd.DataFrame({"seed": [0, 1, 2, 3], "difference": [0.1, 0.3, 0.2, 0.4]})


def test_every_seed_is_a_point_and_the_mean_a_diamond(ax, find, drawn):
    seed_differences(DIFFERENCES, ax=ax)
    seeds, mean = np.asarray(ax.collections[0].get_offsets()), np.asarray(find(ax, "mean")[0].get_offsets())
    assert np.array_equal(seeds[:, 0], DIFFERENCES["difference"])
    assert mean[0, 0] == pytest.approx(0.25)
    assert seeds[:, 1].min() > mean[0, 1]
    drawn(ax)


@pytest.mark.parametrize(("direction", "side"), [(1, "right"), (-1, "left")])
def test_the_side_that_the_claim_predicts_is_shaded_from_the_mark_on(ax, find, direction, side):
    seed_differences(DIFFERENCES, mark=-0.4, direction=direction, ax=ax)
    (span,) = find(ax, "claimed")
    left, right = span.get_x(), span.get_x() + span.get_width()
    low, high = ax.get_xlim()
    assert (left, right) == pytest.approx((-0.4, high) if side == "right" else (low, -0.4))
    assert find(ax, "mark")[0].get_xdata()[0] == -0.4


def test_the_interval_is_the_one_that_was_computed(ax, find):
    seed_differences(DIFFERENCES, ax=ax)
    assert not find(ax, "interval")
    ax.clear()
    seed_differences(DIFFERENCES, interval=(-2, 2), ax=ax)
    assert tuple(find(ax, "interval")[0].get_xdata()) == (-2, 2)
    assert ax.get_xlim()[1] > 2


def test_an_interval_without_ends_is_not_drawn(ax, find, drawn):
    seed_differences(DIFFERENCES.iloc[:1], interval=(-np.inf, np.inf), ax=ax)
    assert not find(ax, "interval")
    drawn(ax)


def test_a_verdict_is_told_by_colour_and_symbol(ax, find):
    seed_differences(DIFFERENCES, unit="points", ax=ax)
    assert titles(ax) == ("points", "n = 4")
    neutral = find(ax, "mean")[0].get_facecolor()
    ax.clear()
    seed_differences(DIFFERENCES, verdict="reproduced", ax=ax)
    assert titles(ax) == ("", "✓ n = 4")
    assert to_hex(find(ax, "mean")[0].get_facecolor()[0]) == VERDICTS["reproduced"].color.lower() != to_hex(neutral[0])


def test_the_mark_is_in_view_even_far_from_all_seeds(ax):
    seed_differences(DIFFERENCES, mark=40.0, ax=ax)
    low, high = ax.get_xlim()
    assert low < 0.1 and high > 40


@pytest.mark.parametrize(
    ("differences", "arguments", "match"),
    [
        (DIFFERENCES.drop(columns="difference"), {}, "difference"),
        (DIFFERENCES.assign(difference=np.nan), {}, "not finite"),
        (DIFFERENCES, {"direction": 0}, "direction"),
        (DIFFERENCES, {"verdict": "proven"}, "unknown verdict 'proven'"),
    ],
)
def test_differences_without_a_figure_are_refused(ax, differences, arguments, match):
    with pytest.raises(ValueError, match=match):
        seed_differences(differences, ax=ax, **arguments)


CLAIM = pd.DataFrame({"data": ["toy", "digits"], "verdict": ["reproduced", "undecided"]})
STATISTICS = pd.DataFrame(
    [
        ["beside", "toy", False, "share", -1.0, 1.0, 0.0, 1, "undecided"],
        ["decides", "toy", True, "points", 0.5, 1.5, 0.0, 1, "reproduced"],
        ["decides", "digits", True, "points", -1.0, 1.0, 0.0, 1, "undecided"],
    ],
    columns=["statistic", "data", "deciding", "unit", "low", "high", "mark", "direction", "verdict"],
)
EVIDENCE = pd.DataFrame(
    [
        (s, d, seed, seed - 1.0)
        for s, d in (("beside", "toy"), ("decides", "toy"), ("decides", "digits"))
        for seed in (0, 1, 2)
    ],
    columns=["statistic", "data", "seed", "difference"],
)


def titles(ax):
    return ax.get_title(loc="left"), ax.get_title(loc="right")


def test_what_decides_comes_first_with_its_symbol_and_the_rest_is_without():
    figure = claim_evidence(CLAIM, STATISTICS, EVIDENCE)
    top, _, bottom, gap = figure.axes
    assert titles(top) == ("points", "✓ n = 3")
    assert titles(bottom) == ("share", "n = 3")
    assert not gap.axison
    assert gap.texts[0].get_text() == "not measured here"
    figure.canvas.draw()


def test_over_each_column_is_the_verdict_on_the_claim():
    figure = claim_evidence(CLAIM, STATISTICS, EVIDENCE, columns=["digits", "toy", "elsewhere"])
    said = [[text.get_text() for text in ax.texts] for ax in figure.axes[:2]]
    assert {"digits", "? undecided"} <= set(said[0])
    assert {"toy", "✓ reproduced"} <= set(said[1])


def test_seeds_without_a_value_are_left_out_of_n():
    holed = EVIDENCE.assign(difference=EVIDENCE["difference"].mask(EVIDENCE["seed"] == 1, np.nan))
    assert titles(claim_evidence(CLAIM, STATISTICS, holed).axes[0]) == ("points", "✓ n = 2")


def test_every_strip_keeps_its_own_scale():
    wide = EVIDENCE.assign(difference=EVIDENCE["difference"] * np.where(EVIDENCE["data"] == "toy", 100, 1))
    top, right, *_ = claim_evidence(CLAIM, STATISTICS, wide).axes
    assert top.get_xlim()[1] > 50 > right.get_xlim()[1]


def test_long_names_of_data_sets_are_broken():
    renamed = [t.replace({"data": {"toy": "cifar10-jpeg-reduced-resnet20"}}) for t in (CLAIM, STATISTICS, EVIDENCE)]
    renamed = [
        pd.concat([t, t.replace({"cifar10-jpeg-reduced-resnet20": f"data-{n}"})]) for n in range(4) for t in renamed
    ]
    figure = claim_evidence(*(pd.concat(renamed[i::3]).drop_duplicates() for i in range(3)))
    figure.canvas.draw()
    heads = [text.get_window_extent() for ax in figure.axes[:6] for text in ax.texts if text.get_fontsize() == 8]
    assert all(one.x1 < other.x0 for one, other in pairwise(heads))


def test_names_of_rows_are_not_cut():
    name = "share of weights whose code ever changed, AOQ - LSQ, at the best of all the settings"
    figure = claim_evidence(CLAIM, *(t.replace({"statistic": {"decides": name}}) for t in (STATISTICS, EVIDENCE)))
    figure.canvas.draw()
    (text,) = [text for text in figure.axes[0].texts if text.get_gid() == f"name-{name}"]
    assert " ".join(text.get_text().split()) == name
    assert 0 <= text.get_window_extent().x0 < text.get_window_extent().x1 < figure.axes[0].get_window_extent().x0


def test_tables_without_what_is_drawn_are_refused():
    with pytest.raises(ValueError, match="deciding"):
        claim_evidence(CLAIM, STATISTICS.drop(columns="deciding"), EVIDENCE)
