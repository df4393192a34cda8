"""One legend for a figure of several panels."""

from __future__ import annotations

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.legend import Legend


def shared_legend(figure: Figure, *, columns: int = 4) -> Legend | None:
    """The legend entries of all panels, each name once, below the figure; none where no panel names anything.

    What stands in brackets behind a name, as in "LSQ (n = 5)", may differ between panels and is left out.
    """
    names: dict[str, Artist] = {}
    for ax in figure.axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            names.setdefault(label.split(" (")[0], handle)
    if not names:
        return None
    return figure.legend(list(names.values()), list(names), loc="outside lower center", ncols=columns)
