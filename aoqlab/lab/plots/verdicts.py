"""Verdicts as colour, symbol and word: claims by data sets."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap

from .heatmaps import undrawn
from .labels import format_number
from .tables import require_columns


@dataclass(frozen=True)
class Look:
    """How a verdict is shown; the symbol says the same as the colours, for eyes that see no difference."""

    color: str
    tint: str
    symbol: str


VERDICTS: Mapping[str, Look] = MappingProxyType(
    {
        "reproduced": Look("#1B7837", "#CFE8D2", "\N{CHECK MARK}"),
        "undecided": Look("#6B6B6B", "#ECECEC", "?"),
        "not reproduced": Look("#762A83", "#E3D3E8", "\N{BALLOT X}"),
    }
)
ROUNDING = 1e-12
_SHORT_UNITS = {
    "per weight and 1000 steps": "per 1000 steps",
    "mean squared error": "MSE",
    "share of itself": "of itself",
    "share of volume": "volume",
}


def verdict_look(verdict: str) -> Look:
    """Return colours and symbol of a verdict. Unknown: `ValueError`."""
    if verdict not in VERDICTS:
        raise ValueError(f"unknown verdict {verdict!r}; there are {', '.join(VERDICTS)}")
    return VERDICTS[verdict]


def short_unit(unit: str) -> str:
    """Return a unit as short as cells of a table need it."""
    return _SHORT_UNITS.get(unit, unit)


def signed(value: float, digits: int = 3) -> str:
    """Return a number with its sign, as in "+0.49"; zero, and what differs from it by rounding alone, has none."""
    if abs(value) < ROUNDING:
        return "0"
    return f"+{format_number(value, digits)}" if value > 0 else format_number(value, digits)


def verdict_grid(
    claims: pd.DataFrame,
    *,
    rows: Iterable[str],
    columns: Iterable[str],
    absent: Mapping[tuple[str, str], str] = MappingProxyType({}),
    ax: Axes | None = None,
) -> Axes:
    """Draw claims by data sets: each cell a verdict by colour, symbol and word, with its effect and unit.

    `claims`: one row per claim and data set, columns "claim", "data", "verdict", "effect", "unit"; those in
    `rows` and `columns` are shown, in this order. A cell without a row in the table says what `absent` has for its
    claim and data set, "not tried" by default. Missing columns, several rows for one cell, and unknown verdicts raise
    `ValueError`.
    """
    require_columns(claims, ["claim", "data", "verdict", "effect", "unit"], "verdict_grid")
    if claims.duplicated(["claim", "data"]).any():
        raise ValueError("claims has several rows for one claim and data set; select one budget for each first")
    ax = plt.gca() if ax is None else ax
    down, across = list(rows), list(columns)
    found = {(row.claim, row.data): row for row in claims.itertuples()}
    looks = {place: verdict_look(str(row.verdict)) for place, row in found.items()}
    number = {look: place for place, look in enumerate(VERDICTS.values())}
    shades = pd.Series({place: number[look] for place, look in looks.items()}, dtype=float).unstack()
    tints = ListedColormap([look.tint for look in VERDICTS.values()])
    scale: dict[str, Any] = {"cmap": tints, "vmin": -0.5, "vmax": len(VERDICTS) - 0.5, "cbar": False}
    with undrawn(ax):
        sns.heatmap(shades.reindex(index=down, columns=across), linewidths=2.5, ax=ax, **scale)
    for (y, claim), (x, data) in itertools.product(enumerate(down), enumerate(across)):
        place = (claim, data)
        if place not in found:
            word = absent.get(place, "not tried")
            ax.text(x + 0.5, y + 0.5, word, ha="center", va="center", fontsize=6.5, color="#8C8C8C")
            continue
        look, row = looks[place], found[place]
        bold: dict[str, Any] = {"fontsize": 7, "fontweight": "bold", "color": look.color}
        ax.text(x + 0.5, y + 0.31, f"{look.symbol} {row.verdict}", ha="center", va="center", **bold)
        effect = f"{signed(row.effect)} {short_unit(str(row.unit))}"
        ax.text(x + 0.5, y + 0.71, effect, ha="center", va="center", fontsize=6.5)
    ax.grid(False)
    ax.xaxis.tick_top()
    ax.tick_params(length=0, labelrotation=0)
    ax.set(xlabel="", ylabel="")
    return ax
