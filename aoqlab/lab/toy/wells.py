"""The landscape of Figure 1: a bowl with a shallow and a deep well, and the grid on which it is searched."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...arguments import check_count
from ..shared.limits import SEED, check_memory

# floating, not float64: numpy's own functions promise no more.
Array = NDArray[np.floating[Any]]
Starts = Literal["shallow", "uniform"]


@dataclass(frozen=True)
class Well:
    """A Gaussian well ``-depth exp(-|p - center|^2 / (2 width^2))``."""

    center: tuple[float, float]
    depth: float
    width: float


@dataclass(frozen=True)
class LandscapeProblem:
    """``f(p) = bowl |p|^2 / 2`` minus two Gaussian wells, and the grid ``spacing * k``, ``|k| <= extent / spacing``.

    The paper gives only the places of the basins. The rest is ours, fixed before any run: the deep well is 1.5 times as
    deep, and as much wider (``sqrt(1.5)``) as gives both the same curvature, about 5, at the bottom, so that no
    learning rate is stable in one and unstable in the other. Best grid points: (-0.5, 0.5) with f = -0.78 and (0.5,
    -0.5) with f = -1.27; every path of neighbours between them climbs to -0.39 at (0, 0) or higher.
    """

    spacing: float = 0.5
    extent: float = 1.5
    bowl: float = 0.2
    shallow: Well = Well((-0.7, 0.7), 1.0, 0.45)
    deep: Well = Well((0.7, -0.7), 1.5, 0.55)

    def __post_init__(self) -> None:
        for name in ("spacing", "extent"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be positive and finite, got {getattr(self, name)}")
        if self.reach < 1 or not math.isclose(self.reach * self.spacing, self.extent):
            raise ValueError(f"extent must be a multiple of spacing {self.spacing}, got {self.extent}")
        if not 0 <= self.bowl < math.inf:
            raise ValueError(f"bowl must be finite and not negative, got {self.bowl}")
        for name, well in (("shallow", self.shallow), ("deep", self.deep)):
            if not (0 < well.depth < math.inf and 0 < well.width < math.inf):
                raise ValueError(f"{name} must have a positive, finite depth and width, got {well}")
            if not all(-self.extent <= c <= self.extent for c in well.center):
                raise ValueError(f"{name} must have its center within ±{self.extent}, got {well.center}")
        if self.deep.depth <= self.shallow.depth:
            raise ValueError(f"deep must be deeper than {self.shallow.depth}, got {self.deep.depth}")
        if math.dist(self.shallow.center, self.deep.center) < 2 * self.spacing:
            raise ValueError(f"the wells must be {2 * self.spacing} or more apart, got {self.shallow}, {self.deep}")

    @property
    def reach(self) -> int:
        """The largest position k."""
        return round(self.extent / self.spacing)

    @property
    def levels(self) -> Array:
        return self.spacing * np.arange(-self.reach, self.reach + 1)

    def value(self, points: Array) -> Array:
        """F at ``points`` (..., 2); shape (...)."""
        values = 0.5 * self.bowl * _square(points)
        for well in (self.shallow, self.deep):
            values = values - well.depth * np.exp(_square(points - np.array(well.center)) / (-2 * well.width**2))
        return np.asarray(values)

    def gradient(self, points: Array) -> Array:
        """Gradient of f at ``points`` (..., 2), in the same shape."""
        gradients = self.bowl * points
        for well in (self.shallow, self.deep):
            away = points - np.array(well.center)
            pull = well.depth / well.width**2 * np.exp(_square(away) / (-2 * well.width**2))
            gradients = gradients + pull[..., None] * away
        return gradients

    def surface(self, n: int = 121, *, margin: float = 0.25) -> tuple[Array, Array, Array]:
        """F on a fine mesh, for pictures: values (n, n) with a row per w2, and the axes w1 and w2 (n,)."""
        axis = np.linspace(-self.extent - margin, self.extent + margin, n)
        return self.value(np.stack(np.meshgrid(axis, axis), -1)), axis, axis

    def basin(self, points: Array) -> np.ndarray:
        """'deep' or 'shallow' for points nearer than one spacing to that well's centre, otherwise 'other'.

        Of the default grid these are the four corners of the cell that holds the centre.
        """
        deep, shallow = (_square(points - np.array(w.center)) < self.spacing**2 for w in (self.deep, self.shallow))
        return np.where(deep, "deep", np.where(shallow, "shallow", "other"))

    def starts(self, kind: Starts, n: int, seed: int = 0) -> Array:
        """Random starts (n, 2): in a disc of radius ``spacing`` around the shallow well, or in the whole square."""
        check_memory(f"{check_count('n', n)} starts", 64 * n)
        rng = np.random.default_rng(check_count("seed", seed, 0, SEED))
        if kind == "uniform":
            return rng.uniform(-self.extent, self.extent, (n, 2))
        if kind != "shallow":
            raise ValueError(f"starts must be 'shallow', 'uniform' or an array, got {kind!r}")
        radius, angle = self.spacing * np.sqrt(rng.random(n)), 2 * np.pi * rng.random(n)
        return np.array(self.shallow.center) + radius[:, None] * np.stack((np.cos(angle), np.sin(angle)), -1)


def _square(vectors: Array) -> Any:  # an array, or a number for a single vector
    return vectors[..., 0] ** 2 + vectors[..., 1] ** 2
