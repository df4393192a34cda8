"""What the 2-D landscape says about Figure 1."""

from __future__ import annotations

import pandas as pd

from ..findings import Finding, finding, paired
from ..toy.landscape import LandscapeResult

CLAIM = "2 oscillating reaches the deep basin"


def landscape_findings(result: LandscapeResult, ends: pd.DataFrame) -> list[Finding]:
    """Share of starts that end in the deep basin, oscillating minus conventional, paired by start.

    At the default setting; at every learning rate and each method's best overall, the setting chosen on even starts and
    compared on odd ones, so that the choice cannot flatter its own result.
    """
    by_method = dict(list(result.ends.groupby("method")))
    rows = [_compare(by_method["oscillating"], by_method["conventional"], "default")]
    for lr, at in ends.groupby("lr"):
        rows.append(_tuned(at, f"lr {lr:g}, best shrink_min"))
    rows.append(_tuned(ends, "each at its best"))
    return rows


def _tuned(ends: pd.DataFrame, name: str) -> Finding:
    odd = ends["start"] % 2 == 1
    chosen = []
    for method in ("oscillating", "conventional"):
        own = ends["method"] == method
        settings = ends[own & ~odd].groupby(["lr", "shrink_min"], dropna=False)["found_deep"].mean()
        lr, shrink = settings.idxmax()
        same = (ends["lr"] == lr) & (ends["shrink_min"].isna() if pd.isna(shrink) else ends["shrink_min"] == shrink)
        chosen.append(ends[own & odd & same])
    return _compare(chosen[0], chosen[1], name)


def _compare(oscillating: pd.DataFrame, conventional: pd.DataFrame, name: str) -> Finding:
    ours, theirs = (frame.set_index("start")[["found_deep"]].astype(float) for frame in (oscillating, conventional))
    statistic = f"share of starts, oscillating - conventional, {name}"
    return finding(CLAIM, "landscape", statistic, paired(ours, theirs, "found_deep"), +1, "share")
