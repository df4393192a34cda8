from itertools import combinations

import pandas as pd
import pytest
from matplotlib.colors import to_hex

from aoqlab.lab.plots import VERDICTS, verdict_grid
from aoqlab.lab.plots.verdicts import short_unit, signed, verdict_look

CLAIMS = pd.DataFrame(
    {
        "claim": ["one", "one", "two"],
        "data": ["toy", "digits", "toy"],
        "verdict": ["reproduced", "not reproduced", "undecided"],
        "effect": [0.25, -1.0, 0.0],
        "unit": ["mean squared error", "points", "share of volume"],
    }
)


GRID = {"rows": ["one", "two"], "columns": ["toy", "digits"]}


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_each_cell_says_verdict_and_effect_with_its_unit(ax, drawn):
    verdict_grid(CLAIMS, **GRID, ax=ax)
    assert texts(ax)[:4] == ["✓ reproduced", "+0.25 MSE", "✗ not reproduced", "−1 points"]
    assert {"? undecided", "0 volume"} <= set(texts(ax))
    drawn(ax)


def test_what_has_no_row_was_not_tried(ax):
    verdict_grid(CLAIMS, rows=["two", "one", "three"], columns=["digits", "toy"], ax=ax)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["two", "one", "three"]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["digits", "toy"]
    assert texts(ax).count("not tried") == 3


def test_a_cell_without_a_row_says_what_is_given_for_it(ax):
    verdict_grid(CLAIMS, rows=["two", "one"], columns=["digits", "toy"], absent={("two", "digits"): "–"}, ax=ax)
    assert texts(ax).count("–") == 1 and "not tried" not in texts(ax)


def test_colours_and_symbols_differ_between_verdicts(ax, drawn):
    verdict_grid(CLAIMS, **GRID, ax=ax)
    drawn(ax)
    one_toy, one_digits, two_toy, untried = map(to_hex, ax.collections[0].get_facecolors())
    assert (one_toy, one_digits, two_toy) == tuple(
        VERDICTS[verdict].tint.lower() for verdict in ("reproduced", "not reproduced", "undecided")
    )
    assert ax.collections[0].get_facecolors()[3][3] == 0, untried
    for one, other in combinations(VERDICTS.values(), 2):
        assert one.symbol != other.symbol


def test_several_budgets_for_one_cell_are_refused(ax):
    with pytest.raises(ValueError, match="one budget"):
        verdict_grid(pd.concat([CLAIMS, CLAIMS]), **GRID, ax=ax)


def test_an_unknown_verdict_is_named_with_those_known():
    with pytest.raises(ValueError, match=r"'proven'.*not reproduced"):
        verdict_look("proven")


def test_numbers_carry_their_sign():
    assert [signed(v) for v in (0.5, -0.5, 0.0, 2e-15)] == ["+0.5", "−0.5", "0", "0"]
    assert short_unit("points") == "points"
