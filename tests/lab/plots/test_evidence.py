import numpy as np
import pandas as pd
import pytest

from aoqlab.lab.plots import claim_evidence

CLAIM = pd.DataFrame({"data": ["toy", "digits"], "verdict": ["reproduced", "undecided"]})
STATISTICS = pd.DataFrame(
    [
        ["beside", "toy", False, "share", -1.0, 1.0, 0.0, 1, "undecided"],
        ["decides", "toy", True, "points", 0.5, 1.5, 0.0, 1, "reproduced"],
        ["decides", "digits", True, "points", -1.0, 1.0, 0.0, 1, "undecided"],
    ],
    columns=["statistic", "data", "deciding", "unit", "low", "high", "mark", "direction", "verdict"],
)
DIFFERENCES = pd.DataFrame(
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
    figure = claim_evidence(CLAIM, STATISTICS, DIFFERENCES)
    top, _, bottom, gap = figure.axes
    assert titles(top) == ("points", "✓ n = 3")
    assert titles(bottom) == ("share", "n = 3")
    assert not gap.axison
    assert gap.texts[0].get_text() == "not measured here"
    figure.canvas.draw()


def test_over_each_column_stands_the_verdict_on_the_claim():
    figure = claim_evidence(CLAIM, STATISTICS, DIFFERENCES, columns=["digits", "toy", "elsewhere"])
    said = [[text.get_text() for text in ax.texts] for ax in figure.axes[:2]]
    assert {"digits", "? undecided"} <= set(said[0])
    assert {"toy", "✓ reproduced"} <= set(said[1])


def test_seeds_without_a_value_are_left_out_of_n():
    holed = DIFFERENCES.assign(difference=DIFFERENCES["difference"].mask(DIFFERENCES["seed"] == 1, np.nan))
    assert titles(claim_evidence(CLAIM, STATISTICS, holed).axes[0]) == ("points", "✓ n = 2")


def test_every_strip_keeps_its_own_scale():
    wide = DIFFERENCES.assign(difference=DIFFERENCES["difference"] * np.where(DIFFERENCES["data"] == "toy", 100, 1))
    top, right, *_ = claim_evidence(CLAIM, STATISTICS, wide).axes
    assert top.get_xlim()[1] > 50 > right.get_xlim()[1]


def test_tables_without_what_is_drawn_are_refused():
    with pytest.raises(ValueError, match="deciding"):
        claim_evidence(CLAIM, STATISTICS.drop(columns="deciding"), DIFFERENCES)
