"""What `bash run.sh` prints: effects in words, next to stored verdicts, within a terminal."""

import numpy as np
import pandas as pd
import pytest

from aoqlab.lab.claims import CLAIMS, first_look, load
from aoqlab.lab.claims.claim import At, Measure, Part
from aoqlab.lab.claims.experiments import FIRST, experiments
from aoqlab.lab.plots.verdicts import VERDICTS


def measured():
    """A row for every claim on every data set of the smallest budget, with an effect of its first part."""
    rows = []
    for experiment in experiments(FIRST):
        for claim in CLAIMS.values():
            parts = [part for part in claim.parts if part.on in (None, experiment.kind)]
            names = {v.name for v in experiment.variants}
            asked = [p for p in parts if isinstance(p.first, At) and p.first.variant in names]
            if claim.concerns(experiment.kind) and asked:
                row = {"claim": claim.id, "statistic": asked[0].statistic, "kind": experiment.kind}
                rows.append(row | {"data": experiment.data, "n": experiment.seeds, "effect": -0.1234})
    return pd.DataFrame(rows)


def test_the_text_fits_a_terminal_and_judges_nothing():
    text = first_look.text(measured(), load().claims)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) - len(measured()) <= 6  # with a line on the time and one before that, 22 rows make 30
    assert "bash run.sh lab" in text
    assert "bash run.sh reproduce" in text
    rows = lines[2 : 2 + len(measured())]
    assert not any(verdict in line for verdict in VERDICTS for line in rows)


def test_every_effect_says_what_it_means():
    part = next(p for p in CLAIMS["local-search"].parts)
    assert part.said(0.164) == "LSQ explores 0.16 less"
    assert part.said(-0.164) == "LSQ explores 0.16 more"
    for claim in CLAIMS.values():
        for part in claim.parts:
            more, less = part.said(0.5), part.said(-0.5)
            assert more != less
            assert not set("{}|") & set(more + less)
            assert len(part.said(-0.01234)) <= 47, "a second line of the table"


def test_a_ratio_is_said_as_how_many_times():
    part = Part("a / b", Measure("x", "doublings", "log2 ratio"), At("a"), At("b"), +1, "a is {} times as large|small")
    assert part.said(2.0) == "a is 4 times as large"
    assert part.said(-1.0) == "a is 2 times as small"


def test_what_has_no_value_is_left_out():
    table = measured()
    table.loc[0, "effect"], table.loc[1, "n"] = np.nan, 0
    text = first_look.text(table, load().claims)
    assert len(text.splitlines()) <= len(first_look.text(measured(), load().claims).splitlines()) - 2


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        (["reproduced", "reproduced"], "Of 1 claims, 1 hold on all data tried and 0 on none; 0 are open"),
        (["not reproduced", "undecided"], "1 are open or mixed"),
    ],
)
def test_one_sentence_says_the_whole(verdicts, said):
    stored = pd.DataFrame({"claim": "figure-2", "verdict": verdicts})
    assert said in first_look.whole(stored)
    assert "No verdicts are stored" in first_look.whole(stored[:0])
