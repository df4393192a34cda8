"""Figure 1 of the paper: the search on a two-dimensional loss landscape."""

from __future__ import annotations

from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from .palette import hue_colors
from .tables import Values, require_columns, vector

_PADDING = 0.08
"""How far a hull reaches around its points, in units of w."""
_GRID = np.linspace(-1.5, 1.5, 7)
# Neutral greys, darker where f is lower: the terrain has to stay behind the coloured searches.
_TERRAIN = LinearSegmentedColormap.from_list("aoqlab_terrain", ["#8F8F8F", "#C9C9C9", "#FAFAFA"])


def landscape(
    values: Values,
    grid: Values = _GRID,
    *,
    x: Values,
    y: Values,
    paths: pd.DataFrame | None = None,
    trace: Literal["latent", "quantized"] = "latent",
    colorbar: bool = True,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draw filled contours of f(w1, w2), the grid points a quantizer can reach, and where searches went.

    `values`: f on a fine mesh, an array (ny, nx) with the axes `x` (nx,) and `y` (ny,). `grid`: the levels
    of either weight; every pair of them is a dot.

    `paths`: one row per step of a run, columns method, start, step, q1, q2 (the grid point) and, for
    `trace="latent"`, w1, w2 (the weights behind it; without them the quantized path is traced). Per method
    are drawn the traces, a ring around every grid point visited, a disc where a run starts, a star on the
    grid point where it ends, and translucent the convex hull of what was visited, grown a little, so that a
    search that never left its point is seen too. Missing columns and shapes that do not match raise
    `ValueError`.
    """
    mesh_x, mesh_y = vector(x, "x", ascending=True), vector(y, "y", ascending=True)
    heights, levels = np.asarray(values, dtype=np.float64), vector(grid, "grid")
    if heights.shape != (len(mesh_y), len(mesh_x)):
        raise ValueError(f"values must have shape (len(y), len(x)) = {(len(mesh_y), len(mesh_x))}, got {heights.shape}")
    if trace not in ("latent", "quantized"):
        raise ValueError(f'trace must be "latent" or "quantized", got {trace!r}')
    ax = plt.gca() if ax is None else ax
    filled = ax.contourf(mesh_x, mesh_y, heights, levels=18, cmap=_TERRAIN, zorder=0)
    thin: dict[str, Any] = {"colors": "white", "linestyles": "solid", "linewidths": 0.35, "zorder": 0.5}
    ax.contour(mesh_x, mesh_y, heights, levels=filled.levels, **thin)
    if colorbar:
        bar = ax.figure.colorbar(filled, ax=ax, label="$f(w_1, w_2)$", shrink=0.85, pad=0.02)
        bar.outline.set_visible(False)
    dots_x, dots_y = np.meshgrid(levels, levels)
    ax.scatter(dots_x, dots_y, s=7, color="#333333", linewidths=0, zorder=2, gid="grid")
    if paths is not None:
        require_columns(paths, ["method", "start", "step", "q1", "q2"], "landscape (paths)")
        named = _draw_paths(ax, paths, trace)
        if legend:
            above: dict[str, Any] = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "columnspacing": 1.2}
            ax.legend(handles=named, ncols=len(named), **above)
    ax.set(xlim=(mesh_x.min(), mesh_x.max()), ylim=(mesh_y.min(), mesh_y.max()), xlabel="$w_1$", ylabel="$w_2$")
    ax.set_aspect("equal")
    ax.grid(False)
    return ax


def _draw_paths(ax: Axes, paths: pd.DataFrame, trace: Literal["latent", "quantized"]) -> list[Line2D]:
    """Draw every search and return one legend handle per method, and for start and end."""
    points = ["q1", "q2"]
    traced = ["w1", "w2"] if trace == "latent" and {"w1", "w2"} <= set(paths.columns) else points
    handles = []
    for order, (method, (color, name)) in enumerate(hue_colors(paths["method"]).items()):
        ours = paths[paths["method"] == method].sort_values("step", kind="stable")
        runs = ours.groupby("start", sort=False)
        visited = ours[points].drop_duplicates().to_numpy()
        # Later methods get a little more room, so that equal hulls do not hide each other's outline.
        outline = _outline(visited, _PADDING * (1 + 0.3 * order))
        face: dict[str, Any] = {"facecolor": (color, 0.16), "edgecolor": color, "joinstyle": "round"}
        # First methods on top: LSQ's small hull in AOQ's.
        ax.fill(*outline.T, linewidth=1.1, zorder=1.5 - 0.01 * order, gid=f"hull-{method}", **face)
        ring: dict[str, Any] = {"s": 22 + 26 * order, "facecolors": "none", "edgecolors": color, "linewidths": 1.1}
        ax.scatter(*visited.T, zorder=2.6, gid=f"visited-{method}", **ring)
        line: dict[str, Any] = {"color": color, "linewidth": 0.8, "alpha": 0.85, "gid": f"path-{method}"}
        shape: dict[str, Any] = {"x": traced[0], "y": traced[1], "units": "start", "estimator": None}
        sns.lineplot(ours, sort=False, zorder=2.4, ax=ax, **shape, **line)
        disc: dict[str, Any] = {"s": 25, "color": "white", "edgecolors": "black", "linewidths": 0.9, "gid": "start"}
        ax.scatter(*runs[traced].first().to_numpy().T, zorder=4, **disc)
        star: dict[str, Any] = {"marker": "*", "s": (12 - 2.5 * order) ** 2, "color": color, "edgecolors": "white"}
        ax.scatter(*runs[points].last().to_numpy().T, zorder=5 + order, linewidths=0.7, gid=f"end-{method}", **star)
        handles.append(Line2D([], [], color=color, linewidth=1.8, label=name))
    start = Line2D([], [], linestyle="", marker="o", color="white", markeredgecolor="black", label="start")
    end = Line2D([], [], linestyle="", marker="*", markersize=8, color="#6B6B6B", markeredgecolor="white", label="end")
    return [*handles, start, end]


def _outline(points: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    """Return the convex hull of discs of `radius` around the points, which has an area even for a single one."""
    angles = np.linspace(0.0, 2.0 * np.pi, 48, endpoint=False)
    rims = (points[:, None] + radius * np.column_stack((np.cos(angles), np.sin(angles)))).reshape(-1, 2)
    return rims[ConvexHull(rims).vertices]
