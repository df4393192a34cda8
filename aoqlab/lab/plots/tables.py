"""Tables that figures are drawn from: checks, means per setting, places of seeds, counts in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

# numpy's own alias leaves tuples out where types are checked at run time.
Values: TypeAlias = ArrayLike | Sequence[Any]


def require_columns(frame: pd.DataFrame, columns: Iterable[str], caller: str) -> None:
    """Raise unless `frame` is a DataFrame with at least one row and all `columns`."""
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"{caller} needs a DataFrame, got {type(frame).__name__}")
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise ValueError(f"{caller} needs the columns {missing}; the frame has {list(map(str, frame.columns))}")
    if frame.empty:
        raise ValueError(f"{caller} got a frame without rows")


def require_finite(frame: pd.DataFrame, columns: Sequence[str], caller: str) -> None:
    """Raise unless the table has rows and `columns`, and these hold finite numbers alone."""
    require_columns(frame, columns, caller)
    for name in columns:
        if not np.isfinite(frame[name].astype(float)).all():
            raise ValueError(f"the column {name!r} holds values that are not finite; leave those rows out and say so")


def vector(values: Values, name: str, *, ascending: bool = False) -> NDArray[np.float64]:
    """Return `values` as a 1-D float array of finite numbers; raise otherwise, naming the argument."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got {int((~np.isfinite(array)).sum())} values that are not")
    if ascending and (np.diff(array) < 0).any():
        raise ValueError(f"{name} must be ascending")
    return array


def setting_means(frame: pd.DataFrame, settings: Sequence[str], value: str) -> pd.DataFrame:
    """Return mean and number of runs per setting (columns `mean`, `n`); NaN where any run is not finite."""
    values = frame[value].astype(float).replace([np.inf, -np.inf], np.nan)
    groups = values.groupby([frame[name] for name in settings], dropna=False)
    return pd.DataFrame({"mean": groups.mean(skipna=False), "n": groups.size()})


def best_row(means: pd.Series, *, lower_is_better: bool) -> Any:
    """Return the index label of the best finite mean; `ValueError` if there is none."""
    finite = means.dropna()
    if finite.empty:
        raise ValueError("no setting has finite values in all of its runs, so there is no optimum to mark")
    return finite.idxmin() if lower_is_better else finite.idxmax()


def count_range(counts: Values) -> str:
    """Return `5` where all counts agree, `4–5` where they do not."""
    low, high = int(np.min(counts)), int(np.max(counts))
    return f"{low}" if low == high else f"{low}–{high}"


def spread(frame: pd.DataFrame, by: str, width: float) -> pd.Series:
    """Return an offset per row that spreads the rows of each group evenly over ±`width`.

    In the order of the rows, not at random: the same data give the same picture.
    """
    rows = frame.groupby(by)
    return width * (2 * rows.cumcount() / (rows[by].transform("size") - 1).clip(lower=1) - 1).where(
        rows[by].transform("size") > 1, 0.0
    )
