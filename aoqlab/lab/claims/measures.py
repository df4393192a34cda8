"""One number per run and question, from what the trackers recorded; the same for toy problems and networks."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
from scipy import stats

from ...schedule import ThreeStage

STAGES = ThreeStage()
"""The published shares of the stages, 20 / 40 / 40: windows in which every method is looked at, also those without."""
SHRUNK, CALMED = STAGES.shrink_until, STAGES.dampen_from
SHARES = ("oscillating_share", "explored_volume", "hamming_share", "changed_share")
PER = 1000
"""Rates are per this many steps."""
SLACK = 1e-9
"""Progress is a quotient of steps; a record belongs to the window that ends there."""


def over_layers(history: pd.DataFrame) -> pd.DataFrame:
    """Return a tracker's ``history_frame`` (a row per step and layer) with all layers together.

    Columns ``step``, ``crossings_total`` (thresholds crossed per weight since the start), ``oscillations_total``
    (changes opposite to the weight's last one) and the shares of ``SHARES``, means over layers weighted by their number
    of weights.
    """
    if history["step"].is_unique:  # one layer
        own = history.sort_values("step", ignore_index=True)
        counts = {f"{name}_total": own[name] / own["weights"] for name in ("crossings", "oscillations")}
        return own[["step", *SHARES]].assign(**counts)
    weights = history.groupby("step", sort=True)["weights"].sum()
    counts = history.groupby("step")[["crossings", "oscillations"]].sum()
    frame = counts.div(weights, axis=0).add_suffix("_total")
    for share in SHARES:
        frame[share] = (history[share] * history["weights"]).groupby(history["step"]).sum() / weights
    return frame.reset_index()


def normalised(frame: pd.DataFrame, total_steps: int) -> pd.DataFrame:
    """Return what :func:`over_layers` made, with ``progress`` and the rates of ``crossings`` and ``oscillations``.

    Rates are per weight and 1000 steps since the record before; they are missing at the first record. Columns
    ``level_interval`` and ``loss`` are kept where they are there.
    """
    steps = frame["step"].to_numpy(float)
    taken = np.diff(steps, prepend=np.nan)
    columns = {"progress": steps / total_steps, "step": frame["step"].to_numpy()}
    for name in ("crossings", "oscillations"):
        columns[name] = np.diff(frame[f"{name}_total"].to_numpy(float), prepend=np.nan) / taken * PER
    kept = [*SHARES, *(c for c in ("level_interval", "loss") if c in frame)]
    return pd.DataFrame({**columns, **{name: frame[name].to_numpy() for name in kept}})


def scalars(history: pd.DataFrame) -> dict[str, float]:
    """Numbers of one run from its :func:`normalised` history.

    * ``crossings_shrink``, ``_widen``, ``_dampen``: rate in the windows [0, 0.2], [0.2, 0.6], [0.6, 1] of progress;
    * ``oscillations_shrink``, ``_dampen``: the same of changes opposite to a weight's last one, which thresholds that
      sweep over weights at rest do not make;
    * ``oscillating``: mean oscillating share after the start; ``oscillating_calmed``: at the end minus at 0.6;
    * ``explored_after``: explored volume gained after 0.2;
    * ``widen_correlation``: Spearman's, of ``level_interval`` and the rate over the records of the middle window, NaN
      where either is constant; ``widen_calmed``: rate in its last quarter minus its first; ``widen_growth``: level
      interval at its end / at its beginning - 1.
    """
    progress = history["progress"].to_numpy()
    rate = history["crossings"].to_numpy()

    def mean_rate(low: float, high: float, rate: np.ndarray = rate) -> float:
        inside = (progress > low + SLACK) & (progress <= high + SLACK)
        taken = np.diff(progress, prepend=0.0)[inside]
        return float((rate[inside] * taken).sum() / taken.sum()) if inside.any() else np.nan

    def at(column: str, when: float) -> float:
        """Return the value at the record nearest to this moment."""
        return float(history[column].to_numpy()[np.abs(progress - when).argmin()])

    quarter = (CALMED - SHRUNK) / 4
    found = {
        "crossings_shrink": mean_rate(0.0, SHRUNK),
        "crossings_widen": mean_rate(SHRUNK, CALMED),
        "crossings_dampen": mean_rate(CALMED, 1.0),
        "oscillations_shrink": mean_rate(0.0, SHRUNK, history["oscillations"].to_numpy()),
        "oscillations_dampen": mean_rate(CALMED, 1.0, history["oscillations"].to_numpy()),
        "oscillating": float(history["oscillating_share"].to_numpy()[1:].mean()),
        "oscillating_calmed": at("oscillating_share", 1.0) - at("oscillating_share", CALMED),
        "explored_after": at("explored_volume", 1.0) - at("explored_volume", SHRUNK),
        "widen_calmed": mean_rate(CALMED - quarter, CALMED) - mean_rate(SHRUNK, SHRUNK + quarter),
        "widen_correlation": np.nan,
        "widen_growth": np.nan,
    }
    if "level_interval" in history:
        inside = (progress > SHRUNK + SLACK) & (progress <= CALMED + SLACK)
        interval = history["level_interval"].to_numpy()[inside]
        if inside.sum() > 2 and np.ptp(interval) > 0 and np.ptp(rate[inside]) > 0:
            found["widen_correlation"] = float(stats.spearmanr(interval, rate[inside]).statistic)
        found["widen_growth"] = at("level_interval", CALMED) / at("level_interval", SHRUNK) - 1
    return found


def interval_scalars(blocks: pd.DataFrame) -> dict[str, float]:
    """How the learned step size moves after the shrink window, from statistics per block of steps (and layer).

    ``blocks``: ``progress`` at the end of the block, its ``steps``, optional ``weights`` of the layer, and the
    statistics of :func:`aoqlab.tracker.step_sizes.movement`. Movements are per 1000 steps, as shares of the value;
    all are means over blocks weighted by steps and weights. NaN where no step size is learned.
    """
    names, late = ("movement", "detrended_movement", "reversal_rate", "lag1_correlation"), blocks
    if len(blocks):
        ends = np.sort(blocks["progress"].unique())
        begins = blocks["progress"].map(dict(zip(ends, [0.0, *ends[:-1]], strict=True)))
        late = blocks[begins >= SHRUNK - SLACK]
    if not len(late):
        return dict.fromkeys(names, np.nan)
    weight = late["steps"] * late.get("weights", 1.0)
    means = {name: late[name] for name in names[2:]}
    means |= {name: late[name] / late["steps"] * PER for name in names[:2]}
    return {name: float(np.average(means[name], weights=weight)) for name in names}


def overlap(weights: np.ndarray, codes: np.ndarray, bins: int = 40) -> float:
    """Figure 2 as a number in [0, 1]: how far the histograms of pre-trained weights per final level overlap.

    ``mean over pairs (i, j) of levels of sum_bins min(p_i, p_j)``, with ``p_i`` the histogram of the weights that end
    at level i, normalised, over ``bins`` bins of equal count. 1: where a weight ends says nothing about where it began;
    0: the histograms are slices side by side. Levels with fewer weights than bins say nothing and do not count; NaN
    where fewer than two levels remain. Finite samples of equal distributions give less than 1, about ``1 - sqrt(bins /
    (pi n))`` with n weights a level.
    """
    edges = np.quantile(weights, np.linspace(0, 1, bins + 1)[1:-1])
    where = np.searchsorted(edges, weights, side="right")
    counts = [np.bincount(where[codes == code], minlength=bins) for code in np.unique(codes)]
    shares = [count / count.sum() for count in counts if count.sum() >= bins]
    pairs = [float(np.minimum(a, b).sum()) for a, b in itertools.combinations(shares, 2)]
    return float(np.mean(pairs)) if pairs else float("nan")
