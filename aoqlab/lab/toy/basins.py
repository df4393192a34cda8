"""What runs on the landscape reached: the hull of what they visited, and the share of starts."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

MEANS = ["visited_deep", "visited", "hull_area", "crossings", "late_crossings", "value"]


def hull_area(visited: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Area, in grid cells, of the convex hull of the points marked in masks (..., n, n); shape (...).

    Above every row of the mask the hull of lattice points reaches as far as the highest chord between the outermost
    points of two rows; between rows it is straight.
    """
    n = visited.shape[-1]
    filled = visited.any(-1)
    first, last = visited.argmax(-1), n - 1 - visited[..., ::-1].argmax(-1)
    width = np.zeros(filled.shape)
    for outermost in (last, -first):
        edge = np.where(filled, outermost, -np.inf)
        hull = edge.copy()
        for i, j in itertools.combinations(range(n), 2):
            share = np.arange(1, j - i) / (j - i)
            chord = edge[..., i, None] * (1 - share) + edge[..., j, None] * share
            np.maximum(hull[..., i + 1 : j], chord, out=hull[..., i + 1 : j])
        width += hull
    slabs = (width[..., 1:] + width[..., :-1]) / 2
    return np.where(np.isfinite(slabs), slabs, 0.0).sum(-1)


def shares(ends: pd.DataFrame) -> pd.DataFrame:
    """Return the share of starts that end in the deep basin, a row per setting, with Wilson's 95% interval.

    Further columns are means over the starts. Settings that oscillate also get the ``difference`` of their share to
    that of conventional training at the same learning rate, where ``ends`` has it.
    """
    keys = ["method", "lr", "shrink_min"]
    rows = []
    for setting, group in ends.groupby(keys, sort=False, dropna=False):
        deep = group["found_deep"]
        interval = stats.binomtest(int(deep.sum()), len(deep)).proportion_ci(method="wilson")
        row = dict(zip(keys, setting, strict=True)) | {"n": len(deep), "share_deep": deep.mean()}
        rows.append(row | {"share_low": interval.low, "share_high": interval.high} | group[MEANS].mean().to_dict())
    table = pd.DataFrame(rows)
    conventional = table["method"] == "conventional"
    base = table[conventional].set_index("lr")["share_deep"]
    return table.assign(difference=(table["share_deep"] - table["lr"].map(base)).mask(conventional))
