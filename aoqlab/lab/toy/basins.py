"""What runs on the landscape reached: the hull of what they visited, the share of starts, and the comparison."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from ..findings import verdict_of

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


def shares(ends: pd.DataFrame, *, conventional_lr: float | None = None) -> pd.DataFrame:
    """Share of starts that end in the deep basin, a row per setting, with Wilson's 95% interval; means of the rest.

    Settings that oscillate also get the paired ``difference`` to conventional training from the same starts, at the
    same learning rate or at ``conventional_lr``, its bootstrap 95% interval over starts, and the verdict on
    "oscillating reaches the deep basin from more starts" (:func:`aoqlab.lab.findings.verdict_of`).
    """
    keys = ["method", "lr", "shrink_min"]
    runs = dict(list(ends.groupby(keys, sort=False, dropna=False)))
    found = {key: group.set_index("start")["found_deep"].astype(int) for key, group in runs.items()}
    base = {lr: values for (method, lr, _), values in found.items() if method == "conventional"}
    rows = []
    for (method, lr, shrink_min), group in runs.items():
        ours = found[method, lr, shrink_min]
        interval = stats.binomtest(int(ours.sum()), len(ours)).proportion_ci(method="wilson")
        row = {"method": method, "lr": lr, "shrink_min": shrink_min, "n": len(ours), "share_deep": ours.mean()}
        row |= {"share_low": interval.low, "share_high": interval.high}
        row |= group[MEANS].mean().to_dict()
        if method == "oscillating":
            against = base[lr if conventional_lr is None else conventional_lr].reindex(ours.index)
            difference = (ours - against).to_numpy()
            low, high = paired_interval(difference)
            row |= {"difference": difference.mean(), "difference_low": low, "difference_high": high}
            row["agree"] = int((difference > 0).sum())
            row["verdict"] = verdict_of(low, high, 1)
        rows.append(row)
    return pd.DataFrame(rows)


def paired_interval(differences: NDArray[np.int_], *, resamples: int = 10_000, seed: int = 0) -> tuple[float, float]:
    """Percentile bootstrap 95% interval of the mean of paired differences, each -1, 0 or 1.

    Resampling n such values is one multinomial draw of how many are -1, 0 and 1. One pair has no interval: (-inf, inf).
    """
    n = len(differences)
    if n < 2:
        return -math.inf, math.inf
    counts = np.array([(differences == value).sum() for value in (-1, 0, 1)])
    if counts.sum() != n:
        raise ValueError("differences must all be -1, 0 or 1")
    draws = np.random.default_rng(seed).multinomial(n, counts / n, resamples)
    low, high = np.quantile((draws[:, 2] - draws[:, 0]) / n, [0.025, 0.975])
    return float(low), float(high)


def compare(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Named two-row tables of :func:`shares`, one method against the other, as one row each."""
    rows = []
    for name, table in tables.items():
        by = table.set_index("method")
        if len(table) != 2 or set(by.index) != {"conventional", "oscillating"}:
            raise ValueError(f"{name!r} must hold one row per method, got {list(table['method'])}")
        ours = by.loc["oscillating", ["n", "difference", "difference_low", "difference_high", "verdict"]]
        rows.append({"comparison": name, **by["share_deep"].to_dict(), **ours.to_dict()})
    return pd.DataFrame(rows)
