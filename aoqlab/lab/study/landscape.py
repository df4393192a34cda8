"""What the 2-D landscape says about Figure 1."""

from __future__ import annotations

import pandas as pd

from ..findings import Finding
from ..toy.basins import shares
from ..toy.landscape import LandscapeResult, run_landscape, tuned

CLAIM = "2 oscillating ends in deep basin"


def landscape_findings(result: LandscapeResult, ends: pd.DataFrame) -> list[Finding]:
    """Share of starts that end in the deep basin, oscillating minus conventional, paired by start.

    ``result``: the default run, from starts around the shallow basin; ``ends``: the sweep from the same starts. Asked
    at equal learning rate, from starts anywhere, and with each method at its best of equally many settings, chosen on
    one set of starts and compared on fresh ones.
    """
    lr = result.ends["lr"].iloc[0]
    published = f"lr {lr:g}, shrink_min {result.ends['shrink_min'].dropna().iloc[0]:g}"
    tables = {
        f"near shallow, {published}": result.summary(),
        f"from anywhere, {published}": shares(run_landscape(starts="uniform").ends),
        "near shallow, each at its best": tuned(ends),
    }
    return [_finding(name, table) for name, table in tables.items()]


def _finding(name: str, table: pd.DataFrame) -> Finding:
    row = table.set_index("method").loc["oscillating"]
    numbers = (float(row[column]) for column in ("difference", "difference_low", "difference_high"))
    statistic = f"share, osc. - conv., {name}"
    effect, low, high = numbers
    return Finding(
        CLAIM, "landscape", statistic, effect, low, high, "share", int(row["n"]), int(row["agree"]), row["verdict"]
    )
