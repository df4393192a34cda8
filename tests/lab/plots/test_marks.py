import matplotlib.pyplot as plt
import pytest

from aoqlab.lab.plots import shared_legend
from aoqlab.lab.plots.marks import log_ticks


def test_panels_share_a_legend_without_counts(drawn):
    figure, panels = plt.subplots(1, 2)
    panels[0].plot([0, 1], label="LSQ (n = 2)")
    panels[0].plot([1, 0], label="AOQ (n = 4)")
    panels[1].plot([1, 1], label="AOQ (n = 2)")
    legend = shared_legend(figure)
    assert legend in figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["LSQ", "AOQ"]
    drawn(panels[0])


def test_panels_without_names_have_no_legend(ax):
    assert shared_legend(ax.figure) is None


@pytest.mark.parametrize(("low", "high"), [(1.0, 2.0), (0.02, 0.3), (1e-3, 0.9), (1e-6, 1e3)])
def test_logarithmic_ticks_are_plain_numbers_and_several(ax, drawn, low, high):
    ax.set(yscale="log", ylim=(low, high))
    log_ticks(ax.yaxis, low, high)
    drawn(ax)
    shown = [t.get_text() for t, y in zip(ax.get_yticklabels(), ax.get_yticks(), strict=True) if low <= y <= high]
    assert 3 <= len(shown) <= 12
    assert "1e" not in "".join(shown)
