"""The few statistics that figures need: bootstrap intervals, the best setting, counts in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ._frames import Values


def bootstrap_interval(
    values: Values, *, confidence: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean: (low, high); both are NaN for fewer than two values."""
    sample = np.asarray(values, dtype=np.float64)
    if len(sample) < 2:
        return float("nan"), float("nan")
    picks = np.random.default_rng(seed).integers(len(sample), size=(resamples, len(sample)))
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(sample[picks].mean(axis=1), [tail, 1.0 - tail])
    return float(low), float(high)


def setting_means(frame: pd.DataFrame, settings: Sequence[str], value: str) -> pd.DataFrame:
    """Mean and number of runs per setting (columns `mean`, `n`); NaN where any run is not finite."""
    finite = frame[value].astype(float).where(np.isfinite(frame[value].astype(float)))
    keys = [frame[name] for name in settings]
    groups = finite.groupby(keys, sort=True, dropna=False)
    table = pd.DataFrame({"mean": groups.mean(), "n": groups.size()})
    return table.assign(mean=table["mean"].where(groups.count() == table["n"]))


def best_row(means: pd.Series, *, lower_is_better: bool) -> Any:
    """Index label of the best finite mean; `ValueError` if there is none."""
    finite = means.dropna()
    if finite.empty:
        raise ValueError("no setting has finite values in all of its runs, so there is no optimum to mark")
    return finite.idxmin() if lower_is_better else finite.idxmax()


def count_range(counts: Values) -> str:
    """`5` where all counts agree, `4–5` where they do not."""
    numbers = np.asarray(counts)
    low, high = int(numbers.min()), int(numbers.max())
    return f"{low}" if low == high else f"{low}–{high}"
