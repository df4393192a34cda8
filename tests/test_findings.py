import numpy as np
import pandas as pd
import pytest

from aoqlab.findings import all_of, as_markdown, as_text, bootstrap_interval, finding, paired, table, tuned, verdict_of


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
    assert 0 <= low <= 0.2 <= high <= 1


@pytest.mark.parametrize("bad", [[], [1.0, np.nan], [np.inf]])
def test_missing_numbers_are_refused(bad):
    with pytest.raises(ValueError, match="finite"):
        bootstrap_interval(bad)


def test_no_effect_is_seldom_called_one():
    """Simulated experiments without effect, 10 seeds each: the verdict is 'undecided' in at least 85%.

    Bootstrap intervals of a mean are known to be somewhat narrow at n = 10, hence not 95%.
    """
    rng = np.random.default_rng(0)
    verdicts = [verdict_of(*bootstrap_interval(rng.normal(0, 1, 10)), +1) for _ in range(150)]
    assert verdicts.count("undecided") >= 0.85 * len(verdicts)


def test_a_clear_effect_is_found():
    rng = np.random.default_rng(0)
    verdicts = [verdict_of(*bootstrap_interval(rng.normal(2, 1, 10)), +1) for _ in range(50)]
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


def test_a_claim_in_parts_needs_all_of_them():
    assert all_of("reproduced", "reproduced") == "reproduced"
    assert all_of("reproduced", "undecided") == "undecided"
    assert all_of("undecided", "not reproduced") == "not reproduced"


def test_the_setting_is_chosen_on_the_other_seeds():
    # Without seed 2, A is the better one; without seed 0 or 1, seed 2 makes it B.
    table_of_runs = runs({("A", 0): 1, ("A", 1): 1, ("A", 2): 9, ("B", 0): 4, ("B", 1): 4, ("B", 2): 0})
    chosen = tuned(table_of_runs, ["lr"])
    assert chosen["lr"].to_dict() == {0: "B", 1: "B", 2: "A"}
    assert chosen["loss"].to_dict() == {0: 4, 1: 4, 2: 9}


def test_a_missing_value_is_a_setting_of_its_own():
    table_of_runs = runs({(np.nan, 0): 1, (np.nan, 1): 1, (0.5, 0): 4, (0.5, 1): 4})
    assert tuned(table_of_runs, ["lr"])["lr"].isna().all()


def test_a_setting_with_two_runs_of_a_seed_is_refused():
    frame = pd.concat([runs({("A", 0): 1, ("A", 1): 1}), runs({("A", 0): 2})])
    with pytest.raises(ValueError, match="2 runs"):
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
    assert row.effect == 2.0 and row.n == 3 and row.verdict == "reproduced"
    assert all(word in text for word in ("claim", "a - b", "+2", "points", "reproduced"))


def test_the_table_for_a_notebook_has_a_line_per_finding():
    one = finding("2 AOQ wins", "toy", "loss, AOQ - LSQ", pd.Series([-1.0, -2.0, -3.0]), -1, "MSE")
    header, rule, row = as_markdown(table([one])).splitlines()
    assert header.count("|") == rule.count("|") == row.count("|") == 8
    assert row.startswith("| 2 AOQ wins | loss, AOQ - LSQ | -2 | [") and row.endswith("| MSE | 3 | **reproduced** |")
