"""What every axes-level function checks first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

# numpy's own alias leaves tuples out where types are checked at run time.
Values: TypeAlias = ArrayLike | Sequence[Any]


def current_axes(ax: Axes | None) -> Axes:
    """The axes to draw on: the given ones, or matplotlib's current ones."""
    return plt.gca() if ax is None else ax


def require_columns(frame: pd.DataFrame, columns: Iterable[str], caller: str) -> None:
    """Raises unless `frame` is a DataFrame with at least one row and all `columns`."""
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"{caller} needs a DataFrame, got {type(frame).__name__}")
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise ValueError(f"{caller} needs the columns {missing}; the frame has {list(map(str, frame.columns))}")
    if frame.empty:
        raise ValueError(f"{caller} got a frame without rows")


def vector(values: Values, name: str, *, ascending: bool = False) -> NDArray[np.float64]:
    """`values` as a 1-D float array of finite numbers; raises otherwise, naming the argument."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got {int((~np.isfinite(array)).sum())} values that are not")
    if ascending and (np.diff(array) < 0).any():
        raise ValueError(f"{name} must be ascending")
    return array


def quantizer_grid(thresholds: Values, levels: Values) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Thresholds and levels as ascending arrays; there is one threshold less than levels, or `ValueError`."""
    cuts = vector(thresholds, "thresholds", ascending=True)
    values = vector(levels, "levels", ascending=True)
    if len(cuts) != len(values) - 1:
        raise ValueError(f"{len(values)} levels need {len(values) - 1} thresholds, got {len(cuts)}")
    return cuts, values
