"""The verdicts at one glance: the picture in README."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from ..plots import use_style, verdict_grid
from ..plots.saving import save_figure
from ..shared import paths
from .families import CLAIMS
from .results import FILES, Results
from .views import absent, data_sets, one_each

NAME = "verdicts"


def overview(results: Results) -> Figure:
    """Draw claims by data sets, each cell a verdict with its effect."""
    data = data_sets(results)
    figure = Figure(figsize=(2 + 1.55 * len(data), 0.42 * len(CLAIMS) + 0.4), layout="constrained")
    grid = one_each(results.claims)
    verdict_grid(grid, rows=CLAIMS, columns=data, absent=absent(grid), ax=figure.subplots())
    return figure


def words(results: Results) -> dict[str, dict[str, str]]:
    """Return claim -> data set -> verdict, as the picture shows it and its record keeps it."""
    shown = one_each(results.claims)
    return {claim: dict(zip(own["data"], own["verdict"], strict=True)) for claim, own in shown.groupby("claim")}


def save_overview(results: Results, folder: str | Path | None = None) -> Path:
    """Write the picture of the stored verdicts into ``figures/``, with its record; return its path."""
    with use_style():
        saved = save_figure(
            overview(results),
            NAME,
            parameters={"verdicts": words(results)},
            data=paths.results_dir() / FILES["claims"],
            folder=folder,
            formats=["png"],
            dpi=130,
        )
    return saved["png"]
