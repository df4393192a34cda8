"""The figures that ``bash run.sh`` and ``bash run.sh toy`` draw from the runs of a budget."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from ...schedule import ThreeStage
from .. import plots
from ..plots.saving import save_figure
from ..shared.processes import side_by_side
from ..toy import surface
from ..toy.landscape import run_landscape, sweep
from ..toy.regression import RegressionProblem, RunConfig, make_data, run_ensemble
from ..toy.surface import PUBLISHED_LR, PUBLISHED_SHRINK
from .results import FILES
from .statistics import interval_of
from .stored_surface import setting_of

COLUMNS = {"error": "loss", "crossings": "crossings_rate", "oscillating": "oscillating_share_mean"}
"""What the columns of the claims' runs are called in figures."""


def draw_toy(data: str, problem: RegressionProblem, runs: pd.DataFrame, history: pd.DataFrame, folder: Path) -> None:
    """Draw surface, other measures, profile, oscillation over time, and Figure 2 into ``figures/<data>-*``.

    ``runs``, ``history``: of the data set, from the tables in ``folder``.
    """
    runs = runs[runs["variant"].isin(surface.settings())].rename(columns=COLUMNS)
    seeds, seed = sorted(runs["seed"].unique()), int(min(runs["seed"]))
    means = runs[runs["lr"] == PUBLISHED_LR].groupby(["method", "variant"])["loss"].mean()
    best = {method: surface.settings()[means[method].idxmin()] for method in ("lsq", "aoq")}
    published = {"lr": PUBLISHED_LR, "shrink_min": PUBLISHED_SHRINK}
    about = {"parameters": {"problem": problem}, "seeds": seeds, "data": folder / FILES["runs"]}
    over_time = {"parameters": {"problem": problem} | published, "seeds": seeds, "data": folder / FILES["history"]}
    of_best = {"parameters": {"problem": problem, "settings": best}, "seeds": [seed]}
    figures: list[tuple[str, Callable[..., Figure], tuple[Any, ...], dict[str, Any]]] = [
        (f"{data}-measures", draw_measures, (runs,), about),
        (f"{data}-surface", draw_surface, (runs,), about),
        (f"{data}-profile", draw_profile, (runs,), about),
        (f"{data}-oscillation", draw_oscillation, (history,), over_time),
        (f"{data}-figure2", draw_figure2, (problem, best, seed), of_best),
    ]
    # Side by side: a figure takes one to four seconds, most of it for the three formats.
    list(side_by_side(-1, ((figure[0], _draw_and_save, figure) for figure in figures)))


def _draw_and_save(name: str, draw: Callable[..., Figure], data: tuple[Any, ...], record: dict[str, Any]) -> None:
    plots.use_style()
    fig = draw(*data)
    save_figure(fig, name, **record)
    plt.close(fig)


def draw_surface(runs: pd.DataFrame) -> Figure:
    """Draw the final loss over interval size and learning rate, both methods on the same colours."""
    fig, axes = plt.subplots(1, 2, figsize=(10.5, 3.9))
    _draw_surfaces(axes, runs, "loss", log=True)
    return fig


def draw_measures(runs: pd.DataFrame) -> Figure:
    """Draw the other measures over interval size and learning rate, AOQ above and LSQ below, on the same colours."""
    measures = ("true_codes", "crossings_rate", "oscillating_share_mean", "hamming_share", "explored_volume")
    fig, axes = plt.subplots(2, len(measures), figsize=(4 * len(measures), 7))
    for column, value in zip(axes.T, measures, strict=True):
        _draw_surfaces(column, runs, value, lower_is_better=False, annotate=False, best=False)
    return fig


def _draw_surfaces(axes: Iterable[Axes], runs: pd.DataFrame, value: str, **style: Any) -> None:
    parts = {"shrink_min": runs[runs["method"] == "aoq"], "step_init": _with_rule(runs[runs["method"] == "lsq"])}
    means = pd.concat([part.groupby(["lr", x])[value].mean() for x, part in parts.items()])
    limits = float(means.min()), float(means.max())
    for ax, (x, part) in zip(axes, parts.items(), strict=True):
        plots.interval_surface(part, x=x, value=value, limits=limits, **style, ax=ax)
        ax.set_title(plots.method_label(part["method"].iloc[0]), loc="left")


def _with_rule(lsq: pd.DataFrame) -> pd.DataFrame:
    """Put LSQ's own rule at its mean on an axis."""
    return lsq.assign(step_init=setting_of(lsq))


def draw_profile(runs: pd.DataFrame) -> Figure:
    """Draw the final loss over shrink_min at a few learning rates, next to LSQ at its best."""
    rates = [lr for lr in sorted(runs["lr"].unique()) if PUBLISHED_LR <= lr <= 1e-2]
    fig, axes = plt.subplots(1, len(rates), figsize=(3.5 * len(rates), 3.5), sharey=True, squeeze=False)
    for ax, lr in zip(axes[0], rates, strict=True):
        at = runs[runs["lr"] == lr]
        aoq, lsq = at[at["method"] == "aoq"], _with_rule(at[at["method"] == "lsq"])
        lsq_best: dict[str, Any] = {"reference": lsq, "reference_settings": ["step_init"]}
        plots.interval_profile(aoq, hue="method", logx=True, logy=True, legend=False, **lsq_best, ax=ax)
        ax.set_title(f"learning rate {lr:g}", loc="left")
        ax.set_xticks([0.05, 0.1, 0.2, 0.4, 0.7, 1.0], ["0.05", "0.1", "0.2", "0.4", "0.7", "1"])
        ax.label_outer()
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
        ax.yaxis.set_major_formatter("{x:g}")
    handles = [
        Line2D([], [], color=plots.method_color("aoq"), label="AOQ, mean and every seed"),
        Line2D([], [], color=plots.method_color("lsq"), linestyle="--", label="LSQ at its best $s_0$"),
    ]
    axes[0, 0].legend(handles=handles, loc="best")
    return fig


def draw_oscillation(history: pd.DataFrame) -> Figure:
    """Draw crossings, oscillating share and explored volume over the training, at the published settings."""
    frame = history[history["variant"].isin(["lsq", "aoq"])].rename(columns={"variant": "method"} | COLUMNS)
    last = float(frame["step"].max())
    ends = [0.0, ThreeStage().shrink_until * last, ThreeStage().dampen_from * last, last]
    stages = list(zip(ends, ends[1:], ("shrink", "widen", "dampen"), strict=False))
    fig, axes = plt.subplots(1, 3, figsize=(11, 3.4))
    for ax, column in zip(axes, ("crossings_rate", "oscillating_share", "explored_volume"), strict=True):
        plots.crossings_over_time(frame, y=column, stages=stages, ax=ax, legend=ax is axes[0])
    fig.suptitle(f"AOQ (shrink_min {PUBLISHED_SHRINK:g}; its stages shaded) and LSQ (own rule), lr {PUBLISHED_LR:g}")
    return fig


def draw_figure2(problem: RegressionProblem, settings: dict[str, RunConfig], seed: int) -> Figure:
    """Draw Figure 2: pre-trained weights by the value they ended at, for the lossless solution, LSQ and AOQ."""
    result = run_ensemble(list(settings.values()), [seed], problem, records=1)
    data = make_data(problem, seed)
    panels = {
        "lossless": pd.DataFrame({"weight": data.start.numpy(), "level": data.true_weights.numpy().astype(int)}),
        **{method: result.pretrained_by_level(run) for run, method in enumerate(settings)},
    }
    titles = {
        "lossless": "lossless solution",
        "lsq": f"LSQ, $s_0$ = {settings['lsq'].step_init or 'its own rule'}, lr {settings['lsq'].lr:g}",
        "aoq": f"AOQ, shrink_min = {settings['aoq'].schedule.shrink_min:g}, lr {settings['aoq'].lr:g}",
    }
    limit = float(np.ceil(np.abs(panels["lossless"]["weight"]).max() * 2) / 2)
    fig, axes = plt.subplots(1, 3, figsize=(10.5, 3.6))
    for ax, (method, frame) in zip(axes, panels.items(), strict=True):
        plots.pretrained_histograms(frame, xlim=(-limit, limit), ax=ax)
        ax.set_ylabel("final position $k$ on the grid")
        ax.set_title(titles[method], loc="left")
    return fig


def draw_landscape() -> None:
    """Draw Figure 1 for a few starts, and the share of starts that end in the deep basin over both settings."""
    result, ends = run_landscape(), sweep()
    values, x, y = result.problem.surface()
    shown = result.paths[result.paths["start"] < 8]
    fig, axes = plt.subplots(1, 3, figsize=(12, 3.7), width_ratios=[1, 1, 1.15])
    for ax, method in zip(axes, ("conventional", "oscillating"), strict=False):
        paths = shown[shown["method"] == method]
        plots.landscape(values, x=x, y=y, paths=paths, trace="quantized", colorbar=False, legend=False, ax=ax)
        share = result.ends.loc[result.ends["method"] == method, "found_deep"].mean()
        ax.set_title(f"{method}: {share:.0%} of {result.ends['start'].nunique()} end deep", loc="left")
    _draw_deep(ends, axes[2], limits=(0.0, 1.0))
    axes[2].set_title("oscillating", loc="left")
    settings = {"settings": result.ends.groupby("method")[["lr", "shrink_min"]].first().to_dict("index")}
    save_figure(fig, "landscape", parameters={"problem": result.problem, **settings}, seeds=[0])
    plt.close(fig)


def draw_sweep(ends: pd.DataFrame, oscillating: pd.DataFrame, conventional: pd.DataFrame) -> Figure:
    """Draw the share of starts that end deep: over both settings, and over the learning rate that shrinking amounts to.

    ``ends``: runs of a sweep; the others: shares of its settings, as :func:`aoqlab.lab.toy.basins.shares` has them.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    _draw_deep(ends, left)
    for table, method in ((conventional, "conventional"), (oscillating, "oscillating")):
        rates, share = table["lr"] / table["shrink_min"].fillna(1.0), table["share_deep"]
        errors = np.abs(table[["share_low", "share_high"]].T - share)
        style = {"fmt": "o", "ms": 4, "color": plots.method_color(method), "label": f"{method}, 95%"}
        right.errorbar(rates, share, errors, **style)
    right.set(xscale="log", xlabel=r"learning rate over shrink factor $\eta / \alpha_{\min}$")
    right.set_ylabel(plots.column_label("deep_share"))
    right.legend()
    return figure


def _draw_deep(ends: pd.DataFrame, ax: Axes, **limits: Any) -> None:
    swept = ends[ends["method"] == "oscillating"].assign(deep_share=lambda frame: frame["found_deep"].astype(float))
    plots.interval_surface(swept, value="deep_share", lower_is_better=False, **limits, ax=ax)


def draw_digits(runs: pd.DataFrame, folder: Path) -> None:
    """Draw error, crossings and explored volume of LSQ and AOQ on the digits network, every seed visible."""
    own = runs[runs["variant"].isin(["lsq", "aoq"])].rename(columns={"crossings": "crossings_rate"})
    fig, axes = plt.subplots(1, 3, figsize=(10.5, 3.4))
    for ax, column in zip(axes, ("error", "crossings_rate", "explored_volume"), strict=True):
        plots.method_comparison(own, value=column, errorbar=interval_of, ax=ax)
    rate, seeds = float(own["lr"].iloc[0]), sorted(own["seed"].unique())
    save_figure(fig, "digits", parameters={"lr": rate}, seeds=seeds, data=folder / FILES["runs"])
    plt.close(fig)
