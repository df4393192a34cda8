"""Figure 1 of the paper: the search on a two-dimensional loss landscape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon
from numpy.typing import NDArray

from ._frames import Values, current_axes, require_columns, vector
from .hulls import convex_hull, pad_hull
from .palette import hue_colors

_GRID = np.linspace(-1.5, 1.5, 7)
# Neutral greys, darker where f is lower: the terrain has to stay behind the coloured searches.
_TERRAIN = LinearSegmentedColormap.from_list("aoqlab_terrain", ["#8F8F8F", "#C9C9C9", "#FAFAFA"])


def landscape(
    values: Values | pd.DataFrame,
    grid: Values = _GRID,
    *,
    x: Values | None = None,
    y: Values | None = None,
    paths: pd.DataFrame | None = None,
    hulls: bool | Literal["method", "run"] = True,
    hull_padding: float | int = 0.08,
    trace: Literal["latent", "quantized"] | None = "latent",
    contours: int = 18,
    colorbar: bool = True,
    legend: bool = True,
    palette: Mapping[str, Any] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Figure 1: filled contours of f(w1, w2), the grid points a quantizer can reach, and where searches went.

    `values`: f on a fine mesh, an array (ny, nx) with the axes `x` (nx,) and `y` (ny,), or a DataFrame with
    the columns x, y, value. `grid`: the levels of either weight; every pair of them is a dot.

    `paths`: one row per step of a run, columns method, start, step, q1, q2 (the grid point) and, for
    `trace="latent"`, w1, w2 (the weights behind it; without them the quantized path is traced). Per method
    are drawn the traces, a ring around every grid point visited, a disc where a run starts, a star on the
    grid point where it ends, and translucent the convex hull of what was visited: one per method
    (`hulls=True` or "method") or one per run ("run"). Hulls are grown by `hull_padding`, in units of w, so
    that a search that never left its point is seen too. Missing columns and shapes that do not match raise
    `ValueError`.
    """
    mesh_x, mesh_y, heights = _mesh(values, x, y)
    levels = vector(grid, "grid")
    if hulls not in (True, False, "method", "run"):
        raise ValueError(f'hulls must be True, False, "method" or "run", got {hulls!r}')
    if trace not in ("latent", "quantized", None):
        raise ValueError(f'trace must be "latent", "quantized" or None, got {trace!r}')
    ax = current_axes(ax)
    filled = ax.contourf(mesh_x, mesh_y, heights, levels=contours, cmap=_TERRAIN, zorder=0)
    ax.contour(
        mesh_x,
        mesh_y,
        heights,
        levels=filled.levels,
        colors="white",
        linestyles="solid",
        linewidths=0.35,
        zorder=0.5,
    )
    if colorbar:
        bar = ax.figure.colorbar(filled, ax=ax, label="$f(w_1, w_2)$", shrink=0.85, pad=0.02)
        bar.outline.set_visible(False)
    dots_x, dots_y = np.meshgrid(levels, levels)
    ax.scatter(dots_x.ravel(), dots_y.ravel(), s=7, color="#333333", linewidths=0, zorder=2, gid="grid")
    if paths is not None:
        require_columns(paths, ["method", "start", "step", "q1", "q2"], "landscape (paths)")
        named = _draw_paths(ax, paths, hulls, hull_padding, trace, palette)
        if legend:
            ax.legend(
                handles=named,
                loc="lower center",
                bbox_to_anchor=(0.5, 1.0),
                ncols=len(named),
                columnspacing=1.2,
            )
    ax.set_xlim(mesh_x.min(), mesh_x.max())
    ax.set_ylim(mesh_y.min(), mesh_y.max())
    ax.set_aspect("equal")
    ax.grid(False)
    ax.set_xlabel("$w_1$")
    ax.set_ylabel("$w_2$")
    return ax


def _mesh(
    values: Values | pd.DataFrame, x: Values | None, y: Values | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    if isinstance(values, pd.DataFrame):
        require_columns(values, ["x", "y", "value"], "landscape")
        table = values.pivot(index="y", columns="x", values="value")
        return _mesh(table.to_numpy(), table.columns.to_numpy(), table.index.to_numpy())
    if x is None or y is None:
        raise ValueError("landscape needs the axes x and y of the array of values")
    mesh_x, mesh_y = vector(x, "x", ascending=True), vector(y, "y", ascending=True)
    heights = np.asarray(values, dtype=np.float64)
    if heights.shape != (len(mesh_y), len(mesh_x)):
        raise ValueError(f"values must have shape (len(y), len(x)) = {(len(mesh_y), len(mesh_x))}, got {heights.shape}")
    return mesh_x, mesh_y, heights


def _draw_paths(
    ax: Axes,
    paths: pd.DataFrame,
    hulls: bool | Literal["method", "run"],
    padding: float | int,
    trace: Literal["latent", "quantized"] | None,
    palette: Mapping[str, Any] | None,
) -> list[Line2D]:
    """Draws every search and returns one legend handle per method, plus those of start and end."""
    latent = trace == "latent" and {"w1", "w2"} <= set(paths.columns)
    columns = ["w1", "w2"] if latent else ["q1", "q2"]
    handles = []
    hues = hue_colors(paths["method"], palette)
    for order, (method, (color, name)) in enumerate(hues.items()):
        ours = paths[paths["method"] == method]
        runs = [run.sort_values("step", kind="stable") for _, run in ours.groupby("start", sort=False)]
        for hulled in {True: [ours], "method": [ours], "run": runs, False: []}[hulls]:
            # Later methods get a little more room, so that equal hulls do not hide each other's outline.
            outline = pad_hull(convex_hull(hulled[["q1", "q2"]]), padding * (1 + 0.3 * order))
            ax.add_patch(
                Polygon(
                    outline,
                    facecolor=(color, 0.16),
                    edgecolor=color,
                    linewidth=1.1,
                    joinstyle="round",
                    zorder=1.5 - 0.01 * order,  # first methods on top: LSQ's small hull in AOQ's
                    gid=f"hull-{method}",
                )
            )
        visited = ours[["q1", "q2"]].drop_duplicates().to_numpy()
        ax.scatter(
            visited[:, 0],
            visited[:, 1],
            s=22 + 26 * order,
            facecolors="none",
            edgecolors=color,
            linewidths=1.1,
            zorder=2.6,
            gid=f"visited-{method}",
        )
        for run in runs:
            if trace is not None:
                ax.plot(
                    *run[columns].to_numpy().T,
                    color=color,
                    linewidth=0.8,
                    alpha=0.85,
                    zorder=2.4,
                    gid=f"path-{method}",
                )
            ax.plot(
                *run[columns].to_numpy()[0],
                "o",
                markersize=5,
                color="white",
                markeredgecolor="black",
                markeredgewidth=0.9,
                zorder=4,
                gid="start",
            )
            ax.plot(
                *run[["q1", "q2"]].to_numpy()[-1],
                "*",
                markersize=12 - 2.5 * order,
                color=color,
                markeredgecolor="white",
                markeredgewidth=0.7,
                zorder=4 + order,
                gid=f"end-{method}",
            )
        handles.append(Line2D([], [], color=color, linewidth=1.8, label=name))
    start = Line2D([], [], linestyle="", marker="o", color="white", markeredgecolor="black", label="start")
    end = Line2D([], [], linestyle="", marker="*", markersize=8, color="#6B6B6B", markeredgecolor="white", label="end")
    return [*handles, start, end]
