"""Convex hulls of visited grid points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ._frames import Values


def convex_hull(points: Values) -> NDArray[np.float64]:
    """Vertices of the convex hull of `points` (n, 2), counter-clockwise, without collinear points.

    Degenerate hulls come out as they are: one vertex for a single place, two for points on a line. Andrew's
    monotone chain.
    """
    array = np.asarray(points, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != 2 or not len(array) or not np.isfinite(array).all():
        raise ValueError(f"convex_hull needs finite points of shape (n, 2) with n ≥ 1, got shape {array.shape}")
    ordered = np.unique(array, axis=0)
    if len(ordered) < 3:
        return ordered
    lower, upper = _chain(ordered), _chain(ordered[::-1])
    return np.array(lower[:-1] + upper[:-1])


def pad_hull(vertices: Values, radius: float | int, *, corners: int = 48) -> NDArray[np.float64]:
    """The hull grown by `radius` on all sides, so that a point or a segment has an area too."""
    corner = np.asarray(vertices, dtype=np.float64)
    if radius <= 0:
        return corner
    angles = np.linspace(0.0, 2.0 * np.pi, corners, endpoint=False)
    circle = radius * np.column_stack((np.cos(angles), np.sin(angles)))
    return convex_hull((corner[:, None, :] + circle[None, :, :]).reshape(-1, 2))


def _chain(ordered: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    chain: list[NDArray[np.float64]] = []
    for point in ordered:
        while len(chain) > 1 and _turn(chain[-2], chain[-1], point) <= 0:
            chain.pop()
        chain.append(point)
    return chain


def _turn(a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64]) -> float:
    return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))
