import matplotlib as mpl
import pytest

mpl.use("Agg")


@pytest.fixture(autouse=True)
def own_figures():
    """Every test starts from the package's style and leaves no figure open."""
    import matplotlib.pyplot as plt

    from aoqlab.lab.plots import use_style

    with use_style():
        yield
        plt.close("all")


@pytest.fixture
def ax():
    import matplotlib.pyplot as plt

    return plt.figure().add_subplot()


def by_gid(axes, gid):
    """The artists of `axes` whose gid is `gid`, in drawing order."""
    return [artist for artist in axes.get_children() if artist.get_gid() == gid]


@pytest.fixture
def find():
    return by_gid


@pytest.fixture
def drawn():
    """Draws a whole figure, so that errors of layout and text appear (warnings are errors)."""
    return lambda axes: axes.get_figure(root=True).canvas.draw()
