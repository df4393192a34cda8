import numpy as np
import pandas as pd
import pytest

from aoqlab.lab.plots import run_scatter, shared_legend

RUNS = pd.DataFrame(
    {
        "method": ["aoq"] * 4 + ["lsq"] * 2,
        "variant": ["aoq", "aoq", "aoq lr=1", "aoq lr=1", "lsq", "lsq"],
        "crossings": [4.0, 6.0, 1.0, 3.0, 2.0, 4.0],
        "error": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
    }
)


def test_every_run_is_a_point_and_every_setting_a_mean_in_order_of_x(ax, find, drawn):
    run_scatter(RUNS, x="crossings", y="error", setting="variant", line=True, ax=ax)
    (points,), (means,) = find(ax, "seeds-aoq"), find(ax, "mean-aoq")
    assert np.array_equal(points.get_xydata(), RUNS[["crossings", "error"]][:4])
    assert means.get_xydata().tolist() == [[2.0, 3.5], [5.0, 1.5]]
    assert means.get_linestyle() == "-"
    drawn(ax)


def test_without_a_setting_each_hue_is_one(ax, find):
    run_scatter(RUNS, x="crossings", y="error", logx=True, ax=ax)
    assert find(ax, "mean-lsq")[0].get_xydata().tolist() == [[3.0, 5.5]]
    assert ax.get_xscale() == "log"


def test_the_legend_counts_runs(ax):
    run_scatter(RUNS, x="crossings", y="error", ax=ax)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["LSQ (n = 2)", "AOQ (n = 4)"]


def test_panels_share_a_legend_without_counts(drawn):
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 2)
    run_scatter(RUNS, x="crossings", y="error", legend=False, ax=panels[0])
    run_scatter(RUNS[:4], x="crossings", y="error", legend=False, ax=panels[1])
    legend = shared_legend(figure)
    assert legend in figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["LSQ", "AOQ"]
    drawn(panels[0])


def test_panels_without_names_have_no_legend(ax):
    assert shared_legend(ax.figure) is None


def test_values_that_are_not_finite_are_refused(ax):
    with pytest.raises(ValueError, match="finite"):
        run_scatter(RUNS.assign(error=np.inf), x="crossings", y="error", ax=ax)
