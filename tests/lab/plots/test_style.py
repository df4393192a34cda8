import gc

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
from matplotlib import font_manager

from aoqlab.lab.plots import use_style
from aoqlab.lab.plots.style import style_settings


@pytest.fixture(autouse=True)
def own_figures():
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.use("Agg")
        yield


def test_called_plainly_it_applies_for_good_even_when_collected():
    use_style()
    gc.collect()
    assert all(mpl.rcParams[name] == value for name, value in style_settings().items())


def test_as_a_context_it_puts_back_what_was_there():
    mpl.rcParams["font.size"] = 17
    before = dict(mpl.rcParams)
    with use_style():
        assert mpl.rcParams["font.size"] == style_settings()["font.size"] != 17
        assert mpl.rcParams["pdf.fonttype"] == 42
    assert dict(mpl.rcParams) == before


def test_blocks_nest():
    with use_style():
        with use_style():
            mpl.rcParams["font.size"] = 21
        assert mpl.rcParams["font.size"] == style_settings()["font.size"]


def test_the_sheet_suits_papers():
    settings = style_settings()
    assert settings["pdf.fonttype"] == 42
    assert settings["svg.fonttype"] in ("none", "path")
    assert settings["savefig.dpi"] >= 200
    assert settings["figure.constrained_layout.use"]


def test_its_font_ships_with_matplotlib():
    path = font_manager.findfont(style_settings()["font.sans-serif"][0], fallback_to_default=False)
    assert path.startswith(mpl.get_data_path())


def test_it_is_also_a_matplotlib_style():
    with plt.style.context("aoqlab.lab.plots.aoqlab"):
        assert mpl.rcParams["font.size"] == style_settings()["font.size"]
