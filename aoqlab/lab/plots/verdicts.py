"""Verdicts as colour, symbol and word: claims by data sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from ._frames import current_axes, require_columns
from .palette import format_number


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
    """Colours and symbol of a verdict. Unknown: ``ValueError``."""
    if verdict not in VERDICTS:
        raise ValueError(f"unknown verdict {verdict!r}; there are {', '.join(VERDICTS)}")
    return VERDICTS[verdict]


def short_unit(unit: str) -> str:
    """A unit as short as cells of a table need it."""
    return _SHORT_UNITS.get(unit, unit)


def signed(value: float, digits: int = 3) -> str:
    """A number with its sign, as in "+0.49"; zero, and what differs from it by rounding alone, has none."""
    if abs(value) < ROUNDING:
        return "0"
    return f"+{format_number(value, digits)}" if value > 0 else format_number(value, digits)


def verdict_grid(
    claims: pd.DataFrame,
    *,
    rows: Iterable[str] | None = None,
    columns: Iterable[str] | None = None,
    labels: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Claims by data sets: each cell a verdict by colour, symbol and word, with its effect and unit.

    `claims`: one row per claim and data set, columns "claim", "data", "verdict", "effect", "unit". `rows` and `columns`
    give order and completeness (default: as they come); a cell without a row in the table says "not tried". `labels`
    replaces names of either. Missing columns, several rows for one cell, and unknown verdicts raise `ValueError`.
    """
    require_columns(claims, ["claim", "data", "verdict", "effect", "unit"], "verdict_grid")
    if claims.duplicated(["claim", "data"]).any():
        raise ValueError("claims has several rows for one claim and data set; select one budget for each first")
    ax, labels = current_axes(ax), labels or {}
    down = list(rows) if rows is not None else list(claims["claim"].unique())
    across = list(columns) if columns is not None else list(claims["data"].unique())
    found = {(row.claim, row.data): row for row in claims.itertuples()}
    for y, claim in enumerate(down):
        for x, data in enumerate(across):
            cell = found.get((claim, data))
            look = verdict_look(str(cell.verdict)) if cell is not None else None
            face = look.tint if look else "white"
            ax.add_patch(Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor=face, gid=f"cell-{claim}-{data}"))
            if cell is None or look is None:
                ax.text(x, y, "not tried", ha="center", va="center", fontsize=6.5, color="#8C8C8C")
                continue
            word = f"{look.symbol} {cell.verdict}"
            ax.text(x, y - 0.19, word, ha="center", va="center", fontsize=7, fontweight="bold", color=look.color)
            effect = f"{signed(cell.effect)} {short_unit(str(cell.unit))}"
            ax.text(x, y + 0.21, effect, ha="center", va="center", fontsize=6.5)
    ax.set_xlim(-0.5, len(across) - 0.5)
    ax.set_ylim(len(down) - 0.5, -0.5)
    ax.set_xticks(range(len(across)), [labels.get(name, name) for name in across])
    ax.set_yticks(range(len(down)), [labels.get(name, name) for name in down])
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.grid(False)
    ax.spines[:].set_visible(False)
    return ax
