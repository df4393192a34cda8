"""Selectors and parts: which runs a statistic compares, checked by hand on tiny tables."""

import numpy as np
import pandas as pd
import pytest

from aoqlab.lab.claims.claim import At, Best, Beyond, Matched, Measure, NotRunError, Part


def table(**variants):
    """variant -> (groups, {column: values over seeds})"""
    rows = []
    for name, (groups, columns) in variants.items():
        for seed in range(len(next(iter(columns.values())))):
            rows.append({"variant": name, "groups": groups, "seed": seed, **{c: v[seed] for c, v in columns.items()}})
    return pd.DataFrame(rows)


RUNS = table(
    aoq=("grid", {"error": [1.0, 2.0, 3.0, 4.0], "volume": [0.4, 0.4, 0.4, 0.4], "rate": [2.0, 2.0, 4.0, 8.0]}),
    slow=("grid", {"error": [0.0, 9.0, 0.0, 9.0], "volume": [0.1, 0.2, 0.3, 0.4], "rate": [1.0, 1.0, 1.0, 1.0]}),
    weak=("noise", {"error": [10.0, 10.0, 10.0, 10.0], "volume": [0.0] * 4, "rate": [1.0, 1.0, 1.0, 1.0]}),
    strong=("noise|other", {"error": [20.0, 20.0, 20.0, 20.0], "volume": [0.0] * 4, "rate": [4.0, 4.0, 4.0, 4.0]}),
)


def test_one_variant_by_seed():
    assert At("slow").of(RUNS, "volume").to_dict() == {0: 0.1, 1: 0.2, 2: 0.3, 3: 0.4}


def test_the_best_is_chosen_on_the_other_half_of_the_seeds():
    # Even seeds are judged at what is best on odd ones (aoq: mean 3 against 9), and the other way round (slow: 0 to 2).
    assert Best("grid").of(RUNS, "error").to_dict() == {0: 1.0, 1: 9.0, 2: 3.0, 3: 9.0}
    assert Best("grid", without=("slow",)).of(RUNS, "error").to_dict() == {0: 1.0, 1: 2.0, 2: 3.0, 3: 4.0}


def test_a_run_that_failed_is_never_the_best():
    failed = RUNS.assign(error=RUNS["error"].where(RUNS["variant"] != "slow", np.nan))
    assert Best("grid").of(failed, "error").to_dict() == {0: 1.0, 1: 2.0, 2: 3.0, 3: 4.0}


def test_a_matched_value_is_between_its_neighbours_in_the_logarithm():
    # Rate 2 is half-way from 1 to 4 in the logarithm; beyond the last there is nothing to compare with.
    found = Matched("noise", like="aoq", by="rate").of(RUNS, "error")
    assert found.to_dict() == pytest.approx({0: 15.0, 1: 15.0, 2: 20.0, 3: np.nan}, nan_ok=True)


def test_one_beyond_another_is_their_difference():
    assert Beyond("aoq", "slow").of(RUNS, "error").to_dict() == {0: 1.0, 1: -7.0, 2: 3.0, 3: -5.0}


def test_differences_are_paired_by_seed():
    part = Part("x", Measure("error", "points"), At("aoq"), At("slow"), -1)
    assert part.differences(RUNS.sample(frac=1, random_state=0)).to_dict() == {0: 1.0, 1: -7.0, 2: 3.0, 3: -5.0}


def test_a_ratio_counts_doublings():
    part = Part("x", Measure("volume", "doublings", "log2 ratio"), At("aoq"), At("slow"), +1)
    assert part.differences(RUNS).tolist() == pytest.approx([2.0, 1.0, np.log2(4 / 3), 0.0])


def test_one_side_alone_and_derived_columns():
    part = Part("x", Measure("double", "share", derive=lambda runs: 2 * runs["volume"]), At("slow"), None, +1)
    assert part.differences(RUNS).tolist() == pytest.approx([0.2, 0.4, 0.6, 0.8])


def test_what_was_not_run_or_not_measured_is_said():
    with pytest.raises(NotRunError, match="no runs of 'lsq'"):
        Part("x", Measure("error", ""), At("lsq"), None, 1).differences(RUNS)
    with pytest.raises(NotRunError, match="overlap is not measured"):
        Part("x", Measure("overlap", ""), At("aoq"), None, 1).differences(RUNS)
    with pytest.raises(NotRunError, match="error is not measured"):
        Part("x", Measure("error", ""), At("aoq"), None, 1).differences(RUNS.assign(error=np.nan))
    with pytest.raises(NotRunError, match="one variant of 'other' alone"):
        Part("x", Measure("error", ""), At("aoq"), Matched("other", "aoq", "rate"), 1).differences(RUNS)
    short = RUNS[(RUNS["variant"] != "slow") | (RUNS["seed"] > 0)]
    with pytest.raises(NotRunError, match="seeds differ"):
        Part("x", Measure("error", ""), At("aoq"), At("slow"), 1).differences(short)


def errors_of(errors):
    """errors: {(variant, seed): error}"""
    return pd.DataFrame([{"variant": v, "groups": "g", "seed": s, "error": error} for (v, s), error in errors.items()])


def test_the_variant_is_chosen_on_the_other_half_of_the_seeds():
    # Seeds 0 and 2 would choose A, seeds 1 and 3 B: each half is judged at the other's choice.
    errors = {("A", 0): 1, ("A", 1): 7, ("A", 2): 2, ("A", 3): 8, ("B", 0): 4, ("B", 1): 3, ("B", 2): 5, ("B", 3): 6}
    chosen = Best("g").chosen(errors_of(errors))
    assert chosen["variant"].to_dict() == {0: "B", 1: "A", 2: "B", 3: "A"}
    assert chosen["error"].to_dict() == {0: 4, 1: 7, 2: 5, 3: 8}


def test_a_single_seed_chooses_for_itself():
    assert Best("g").chosen(errors_of({("A", 3): 1, ("B", 3): 2}))["variant"].to_dict() == {3: "A"}


def test_a_variant_with_two_runs_of_a_seed_is_refused():
    frame = pd.concat([errors_of({("A", 0): 1, ("A", 1): 1}), errors_of({("A", 0): 2})])
    with pytest.raises(ValueError, match="one run of 'A' on each"):
        Best("g").chosen(frame)
