"""The toy explorer's picture for print: both surfaces with the chosen settings, courses, and Figure 2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ... import plots

METHODS = {"aoq": "shrink_min", "lsq": "step_init"}
"""Method → the setting of its interval size, and the slider's name."""


def drawn(
    history: pd.DataFrame,
    measure: str,
    places: Mapping[str, tuple[int, int]],
    courses: Sequence[tuple[str, pd.DataFrame]],
    origins: Mapping[str, tuple[np.ndarray, np.ndarray]],
    origin: str,
    edges: np.ndarray,
    levels: np.ndarray,
) -> Figure:
    """Draw three rows of two: means of ``measure`` at the end over the settings, its course, final levels of weights.

    ``history``: all stored runs, with ``setting`` as the explorer has it. ``places``: method → column and row of the
    ring on its surface. ``courses``: titles and runs over their steps. ``origins``: method → pre-trained weights by
    final level, as counts between ``edges`` (levels, bins) and of all weights (levels,), of the run ``origin``.
    """
    figure = Figure(figsize=(12, 10), layout="constrained")
    surfaces, middle, bottom = figure.subplots(3, 2)
    ends = history[history["step"] == history["step"].max()].rename(columns={"setting": "value"})
    means = ends.groupby(["method", "lr", "value"])[measure].mean()
    limits, loss = (float(means.min()), float(means.max())), measure == "loss"
    for ax, (method, name) in zip(surfaces, METHODS.items(), strict=True):
        own = ends[ends["method"] == method].drop(columns=list(METHODS.values())).rename(columns={"value": name})
        plots.interval_surface(
            own, x=name, value=measure, log=loss, limits=limits, lower_is_better=loss, best=loss, annotate=False, ax=ax
        )
        for color, size in (("white", 13), ("black", 10)):
            ring = {"markersize": size, "markerfacecolor": "none", "color": color, "markeredgewidth": 2}
            ax.plot(*(place + 0.5 for place in places[method]), "o", **ring)
        ax.set_title(plots.method_label(method), loc="left")
    for ax, (title, table) in zip(middle, courses, strict=True):
        table = table.assign(progress=table["step"] / table["step"].max())
        plots.crossings_over_time(table, x="progress", y=measure, unit="seed", logy=loss, ax=ax)
        ax.set_title(title, loc="left")
    for ax, (method, counts) in zip(bottom, origins.items(), strict=True):
        limits = float(edges[0]), float(edges[-1])
        frame = _weights(*counts, edges, levels)
        plots.pretrained_histograms(frame, levels=levels, xlim=limits, bins=len(edges) - 1, ax=ax)
        ax.set_title(f"{plots.method_label(method)}: {origin}", loc="left")
        ax.set_ylabel("final position $k$ on the grid")
    return figure


def _weights(counts: np.ndarray, ends: np.ndarray, edges: np.ndarray, levels: np.ndarray) -> pd.DataFrame:
    """Return a weight in the middle of its bin for each one counted, and beyond the bins for the rest of ``ends``."""
    places = np.append((edges[:-1] + edges[1:]) / 2, 2 * edges[-1])
    whole = np.column_stack([counts, ends - counts.sum(1)]).astype(int)
    level, bin_ = (index.ravel() for index in np.indices(whole.shape))
    return pd.DataFrame({"weight": places[bin_].repeat(whole.ravel()), "level": levels[level].repeat(whole.ravel())})
