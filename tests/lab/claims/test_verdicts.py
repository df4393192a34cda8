"""Verdicts from tables of runs with a known effect."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from aoqlab.lab.claims import CLAIMS
from aoqlab.lab.claims.claim import ERROR, At, Best, Beyond, Claim, Matched, Measure, Part
from aoqlab.lab.claims.experiments import Experiment
from aoqlab.lab.claims.statistics import seeds_needed
from aoqlab.lab.claims.verdicts import evaluate, label, settle_all, unit_of

TOY = Experiment("made up", "toy", "numbers", 10, ())
NETWORK = dataclasses.replace(TOY, kind="network")
VOLUME = Measure("volume", "share")
LESS = Part("error, a - b", ERROR, At("a"), At("b"), -1)
MORE = Part("volume, a - b", VOLUME, At("a"), At("b"), +1)
CLAIM = Claim("it-helps", 2, "It helps.", (LESS, MORE), (Part("volume, a", VOLUME, At("a"), None, 1),))


@pytest.fixture
def runs():
    """a has an error lower by 2 and a volume higher by 1 than b, give or take a tenth."""
    noise = np.random.default_rng(0).normal(0, 0.1, (4, 10))
    rows = [
        {"variant": v, "groups": "", "seed": s, "error": 3.0 - 2 * (v == "a") + e[s], "volume": (v == "a") + w[s]}
        for v, e, w in (("a", noise[0], noise[1]), ("b", noise[2], noise[3]))
        for s in range(10)
    ]
    return pd.DataFrame(rows)


def with_settings(verdicts):
    return verdicts.assign(budget="quick", kind="toy", family="stages")


def test_all_parts_together_are_reproduced(runs):
    verdicts, statistics, differences = evaluate(TOY, runs, [CLAIM])
    row = verdicts.iloc[0]
    assert (row["claim"], row["verdict_alone"], row["parts"], row["n"], row["agree"]) == (
        "it-helps", "reproduced", 2, 10, 10,
    )  # fmt: skip
    assert statistics["deciding"].tolist() == [True, True, False]
    assert statistics["unit"].tolist() == ["mean squared error", "share", "share"]
    error = runs.pivot(index="seed", columns="variant", values="error")
    found = differences[differences["statistic"] == LESS.statistic].set_index("seed")["difference"]
    assert found.to_dict() == pytest.approx((error["a"] - error["b"]).to_dict())
    assert statistics["effect"].iloc[0] == pytest.approx((error["a"] - error["b"]).mean())
    assert settle_all(with_settings(verdicts))["verdict"].tolist() == ["reproduced"]


def test_one_part_on_the_other_side_decides(runs):
    claim = dataclasses.replace(CLAIM, parts=(LESS, dataclasses.replace(MORE, direction=-1)))
    row = evaluate(TOY, runs, [claim])[0].iloc[0]
    assert row["verdict_alone"] == "not reproduced"
    assert row["statistic"] == MORE.statistic


def test_an_open_part_leaves_the_claim_undecided_and_is_the_one_shown(runs):
    runs.loc[runs["variant"] == "a", "volume"] -= 1
    row = evaluate(TOY, runs, [CLAIM])[0].iloc[0]
    assert row["verdict_alone"] == "undecided"
    assert row["statistic"] == MORE.statistic
    assert row["seeds_needed"] > 10


def test_too_few_seeds_and_seeds_without_a_value_decide_nothing(runs):
    few = evaluate(TOY, runs[runs["seed"] < 9], [CLAIM])[0].iloc[0]
    assert few["verdict_alone"] == "undecided"
    assert "10" in few["reason_alone"]
    failed = runs.assign(error=runs["error"].where((runs["variant"] != "a") | (runs["seed"] > 0), np.inf))
    row = evaluate(TOY, failed, [CLAIM])[0].iloc[0]
    assert (row["verdict_alone"], row["reason_alone"]) == ("undecided", "1 of 10 seeds have no value")


def test_where_there_is_nothing_to_compare_with_nothing_is_decided(runs):
    """The control has twice the rate of what it is matched with, on all seeds but one."""
    rate = runs["variant"].map({"a": 1.0, "b": 2.0}).where((runs["variant"] != "b") | (runs["seed"] > 0), 0.5)
    own = runs.assign(rate=rate, groups=runs["variant"].map({"a": "", "b": "noise"}))
    more = own[own["variant"] == "b"].assign(variant="c", rate=4.0)
    own = pd.concat([own, more], ignore_index=True)
    part = dataclasses.replace(LESS, second=Matched("noise", "a", "rate"))
    verdicts, _, differences = evaluate(TOY, own, [dataclasses.replace(CLAIM, parts=(part,))])
    row = verdicts.iloc[0]
    assert (row["verdict_alone"], row["n"]) == ("undecided", 1)
    assert row["reason_alone"] == "9 of 10 seeds have nothing to compare with"
    assert differences.loc[differences["statistic"] == part.statistic, "difference"].notna().sum() == 1
    nothing = evaluate(TOY, own.assign(rate=own["variant"].map({"a": 1, "b": 2, "c": 3})), [CLAIM, dataclasses.replace(
        CLAIM, id="matched", parts=(part,))])[0].set_index("claim")  # fmt: skip
    assert nothing.loc["matched", "verdict_alone"] == "undecided"
    assert settle_all(with_settings(nothing.reset_index()))["verdict"].tolist() == ["reproduced", "undecided"]


def test_a_claim_may_be_decided_by_the_parts_that_were_run(runs):
    missing = dataclasses.replace(LESS, statistic="error, a - c", second=At("c"))
    claim = dataclasses.replace(CLAIM, parts=(missing, LESS), of_those_run=True)
    verdicts, statistics, _ = evaluate(TOY, runs, [claim])
    assert verdicts[["verdict_alone", "parts"]].to_numpy().tolist() == [["reproduced", 1]]
    assert statistics["deciding"].tolist() == [True, False]
    none = dataclasses.replace(claim, parts=(missing,))
    assert evaluate(TOY, runs, [none])[0].empty


def test_a_best_setting_at_the_end_of_the_range_is_marked(runs):
    b, rates = runs[runs["variant"] == "b"], (0.1, 0.2, 0.3)
    for best, edge in ((0.2, ""), (0.3, "b at lr 0.3")):
        tried = [b.assign(variant=f"b{r}", groups="b grid", lr=r, error=b["error"] + abs(r - best)) for r in rates]
        own = pd.concat([runs.assign(lr=9.0), *tried], ignore_index=True)
        part = dataclasses.replace(LESS, second=Best("b grid"))
        verdicts, statistics, _ = evaluate(TOY, own, [dataclasses.replace(CLAIM, parts=(part,))])
        assert verdicts["edge"].tolist() == [edge]
        assert statistics["edge"].tolist()[:1] == [edge]


def test_claims_and_parts_without_runs_are_left_out(runs):
    other = dataclasses.replace(LESS, first=At("c"))
    missing = dataclasses.replace(CLAIM, id="missing", parts=(LESS, other))
    beside = dataclasses.replace(CLAIM, also=(other,))
    verdicts, statistics, _ = evaluate(TOY, runs, [missing, beside])
    assert verdicts["claim"].tolist() == ["it-helps"]
    assert len(statistics) == 2


def test_parts_for_other_data_do_not_count(runs):
    claim = dataclasses.replace(CLAIM, parts=(LESS, dataclasses.replace(MORE, direction=-1, on="network")))
    assert evaluate(TOY, runs, [claim])[0]["verdict_alone"].tolist() == ["reproduced"]
    assert evaluate(NETWORK, runs, [claim])[0]["verdict_alone"].tolist() == ["not reproduced"]


def test_many_claims_make_each_harder(runs):
    verdicts = with_settings(evaluate(TOY, runs, [CLAIM])[0]).assign(p=0.02)
    crowd = pd.concat([verdicts, *([verdicts.assign(verdict_alone="undecided", p=0.5)] * 9)], ignore_index=True)
    settled = settle_all(crowd)
    assert settled["family_size"].tolist() == [10] * 10
    assert settled["verdict"].iloc[0] == "undecided"
    assert "Holm" in settled["reason"].iloc[0]
    assert settled["family"].tolist() == ["stages"] * 10
    row = settled.iloc[0]
    assert row["seeds_needed"] == max(11, seeds_needed(row["effect"] - row["mark"], row["sd"], 0.05 / 10))
    apart = crowd.assign(budget=["quick"] + ["cpu"] * 9)
    assert settle_all(apart)["verdict"].iloc[0] == "reproduced"


def test_units_and_labels_can_be_read():
    assert unit_of(LESS, NETWORK) == "points"
    assert label(Best("grid", without=("x",))) == "best of grid, without x"
    assert label(Matched("noise", "aoq", "rate")) == "noise at the rate of aoq"
    assert label(Beyond("aoq", "lsq")) == "aoq beyond lsq"
    assert all(label(p.first) for claim in CLAIMS.values() for p in claim.parts)
