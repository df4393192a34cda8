import numpy as np
import pandas as pd
import pytest
from scipy import stats

from aoqlab.lab.findings import (
    as_markdown,
    as_text,
    bootstrap_interval,
    finding,
    paired,
    table,
    tuned,
    verdict_of,
)


def runs(losses):
    """losses: {(setting, seed): loss}"""
    return pd.DataFrame([{"lr": s, "seed": seed, "loss": value} for (s, seed), value in losses.items()])


def test_the_interval_holds_the_mean_and_shrinks_with_n():
    values = np.random.default_rng(1).normal(3, 1, 80)
    few, many = bootstrap_interval(values[:10]), bootstrap_interval(values)
    assert few[0] < values[:10].mean() < few[1]
    assert many[1] - many[0] < few[1] - few[0]


def test_the_interval_is_the_same_every_time():
    values = [0.1, 0.5, 0.2, 0.9]
    assert bootstrap_interval(values) == bootstrap_interval(values)


def test_one_value_says_nothing_and_equal_values_are_a_point():
    assert bootstrap_interval([2.0]) == (-np.inf, np.inf)
    assert bootstrap_interval([2.0, 2.0, 2.0]) == (2.0, 2.0)


def test_shares_of_few_distinct_values_have_a_finite_interval():
    low, high = bootstrap_interval([0.0, 0.0, 0.0, 0.0, 1.0])
    assert np.isfinite([low, high]).all()
    assert low <= 0.2 <= high


@pytest.mark.parametrize("bad", [[], [1.0, np.nan], [np.inf]])
def test_missing_numbers_are_refused(bad):
    with pytest.raises(ValueError, match="finite"):
        bootstrap_interval(bad)


@pytest.mark.parametrize("n", [5, 10])
def test_no_effect_is_seldom_called_one(n):
    """Simulated experiments without effect: at most 7% of verdicts are wrong, at a level of 5%."""
    rng = np.random.default_rng(0)
    verdicts = [verdict_of(*bootstrap_interval(rng.normal(0, 1, n)), +1) for _ in range(1000)]
    assert verdicts.count("undecided") >= 930


def test_below_five_values_the_interval_is_students():
    values = np.array([0.3, 0.9, 0.4])
    expected = stats.t.interval(0.95, 2, values.mean(), stats.sem(values))
    assert bootstrap_interval(values) == pytest.approx(expected)


def test_a_clear_effect_is_found():
    rng = np.random.default_rng(0)
    verdicts = [verdict_of(*bootstrap_interval(rng.normal(3, 1, 10)), +1) for _ in range(50)]
    assert verdicts.count("reproduced") == 50


@pytest.mark.parametrize(
    ("low", "high", "direction", "verdict"),
    [
        (0.1, 0.2, +1, "reproduced"),
        (0.1, 0.2, -1, "not reproduced"),
        (-0.2, -0.1, -1, "reproduced"),
        (-0.2, -0.1, +1, "not reproduced"),
        (-0.1, 0.2, +1, "undecided"),
        (0.0, 0.2, +1, "undecided"),
        (0.0, 0.0, -1, "undecided"),
    ],
)
def test_the_verdict_follows_the_interval(low, high, direction, verdict):
    assert verdict_of(low, high, direction) == verdict


def test_the_setting_is_chosen_on_the_other_half_of_the_seeds():
    # Seeds 0 and 2 would choose A, seeds 1 and 3 B: each half is judged at the other's choice.
    losses = {("A", 0): 1, ("A", 1): 7, ("A", 2): 2, ("A", 3): 8, ("B", 0): 4, ("B", 1): 3, ("B", 2): 5, ("B", 3): 6}
    chosen = tuned(runs(losses), ["lr"])
    assert chosen["lr"].to_dict() == {0: "B", 1: "A", 2: "B", 3: "A"}
    assert chosen["loss"].to_dict() == {0: 4, 1: 7, 2: 5, 3: 8}


def test_a_single_seed_chooses_for_itself():
    assert tuned(runs({("A", 3): 1, ("B", 3): 2}), ["lr"])["lr"].to_dict() == {3: "A"}


def test_a_missing_value_is_a_setting_of_its_own():
    table_of_runs = runs({(np.nan, 0): 1, (np.nan, 1): 1, (0.5, 0): 4, (0.5, 1): 4})
    assert tuned(table_of_runs, ["lr"])["lr"].isna().all()


def test_a_setting_with_two_runs_of_a_seed_is_refused():
    frame = pd.concat([runs({("A", 0): 1, ("A", 1): 1}), runs({("A", 0): 2})])
    with pytest.raises(ValueError, match="one run of each"):
        tuned(frame, ["lr"])


def test_differences_are_paired_by_seed_in_any_order():
    first = pd.DataFrame({"loss": [3.0, 5.0]}, index=[1, 0])
    second = pd.DataFrame({"loss": [1.0, 1.0]}, index=[0, 1])
    assert paired(first, second, "loss").to_dict() == {0: 4.0, 1: 2.0}


def test_different_seeds_are_not_paired():
    with pytest.raises(ValueError, match="seeds differ"):
        paired(pd.DataFrame({"loss": [1.0]}, index=[0]), pd.DataFrame({"loss": [1.0]}, index=[1]), "loss")


def test_the_table_shows_every_finding_with_its_numbers():
    row = finding("claim", "data", "a - b", pd.Series([1.0, 2.0, 3.0]), +1, "points")
    text = as_text(table([row]))
    assert (row.effect, row.n, row.agree, row.verdict) == (2.0, 3, 3, "undecided")  # three seeds are few
    assert all(word in text for word in ("claim", "a - b", "+2", "points", "3/3", "undecided"))


def test_the_markdown_table_has_the_same_cells():
    row = finding("claim", "data", "a - b", pd.Series([1.0, 2.0, 3.0]), +1, "points")
    header, rule, line = as_markdown(table([row])).splitlines()
    assert header.split(" | ")[0] == "| claim"
    assert set(rule) == set("| -")
    assert [cell.strip() for cell in line.strip("|").split("|")][:4] == ["claim", "data", "a - b", "+2"]
