import numpy as np
import pandas as pd
import pytest

from aoqlab.lab.plots.tables import best_row, count_range, require_columns, require_finite, setting_means, spread


def test_a_setting_with_a_run_that_is_not_finite_has_no_mean():
    runs = pd.DataFrame({"lr": [1, 1, 2, 2, 3, 3], "loss": [1.0, 3.0, np.nan, 1.0, np.inf, -np.inf]})
    table = setting_means(runs, ["lr"], "loss")
    assert table["mean"].dropna().to_dict() == {1: 2.0}
    assert list(table["n"]) == [2, 2, 2]


def test_settings_may_be_missing():
    runs = pd.DataFrame({"step_init": [np.nan, np.nan, 1.0], "loss": [1.0, 2.0, 3.0]})
    assert list(setting_means(runs, ["step_init"], "loss")["mean"]) == [3.0, 1.5]


def test_the_best_is_the_least_or_the_greatest():
    means = pd.Series([2.0, np.nan, 1.0], index=["a", "b", "c"])
    assert best_row(means, lower_is_better=True) == "c"
    assert best_row(means, lower_is_better=False) == "a"
    with pytest.raises(ValueError, match="no optimum"):
        best_row(means[1:2], lower_is_better=True)


def test_counts_are_one_number_or_a_range():
    assert [count_range([5, 5]), count_range([5, 3, 4])] == ["5", "3–5"]


def test_rows_of_a_group_are_spread_evenly_and_a_single_one_stays():
    frame = pd.DataFrame({"method": ["a", "b", "a", "a"]})
    assert spread(frame, "method", 0.2).tolist() == pytest.approx([-0.2, 0.0, 0.0, 0.2])


def test_what_is_no_table_is_refused():
    with pytest.raises(TypeError):
        require_columns([1, 2], ["a"], "f")
    with pytest.raises(ValueError, match=r"\['b'\].*\['a'\]"):
        require_columns(pd.DataFrame({"a": [1]}), ["a", "b"], "f")
    with pytest.raises(ValueError, match=r"'a'.*not finite"):
        require_finite(pd.DataFrame({"a": [1, np.inf]}), ["a"], "f")
