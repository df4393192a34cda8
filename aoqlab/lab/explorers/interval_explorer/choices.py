"""What the controls of the interval explorer offer: stops, starts, moments of training, and sentences about a layer."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np

from ....arguments import MAX_BITS, MIN_BITS
from ....grids import UniformGrid
from ....schedule import ThreeStage
from .layers import Learned
from .weight_summary import Summary

QUANTIZERS = {"aoq-mid-rise": "AOQ, mid-rise", "aoq-mid-tread": "AOQ, mid-tread", "lsq": "LSQ", "statsq": "StatsQ"}
RISE, TREAD = UniformGrid(MIN_BITS, "mid-rise"), UniformGrid(MIN_BITS, "mid-tread")
GRIDS = {"aoq-mid-rise": RISE, "aoq-mid-tread": TREAD, "lsq": TREAD, "statsq": RISE}
STARTS = {"own": "the quantizer's own start", "free": "as the sliders say", "learned": "as training left them"}
# Sixteen stops per doubling, so that sigma / 2^(b-2), AOQ's start, is one of them for every b; and 0.
RATIOS = (0.0, *(2.0 ** (k / 16) for k in range(-160, 49)))
SHRINKS = tuple(k / 100 for k in range(1, 101))
NEAR = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
MOVES = tuple(float(f"{m}e{e}") for e in range(-4, 0) for m in (1, 2, 5))
WIDEST = 8
"""Sigmas that the picture shows on either side at most, so that one outlier does not make it empty."""
PULL = 0.8
"""How far dampening has pulled every weight to the middle of its bin when Play ends: chosen for the eye."""


def unit_of(summary: Summary) -> float:
    """Return what the sliders count in: sigma, or where all weights are equal their size, or 1."""
    return summary.sigma or summary.mean_size or 1.0


def unit_name(summary: Summary) -> str:
    """Return the name of that unit: "σ" or "|w|"; empty where it is the unit of the weights."""
    return "σ" if summary.sigma else "|w|" if summary.mean_size else ""


def view_of(summary: Summary) -> float:
    """Return the reach of the picture, which shows weights from minus this to this."""
    reach = float(np.abs(summary.values[[0, -1]]).max())
    return 1.05 * min(reach, WIDEST * summary.sigma if summary.sigma else reach) or 1.0


def starts_of(summary: Summary) -> dict[str, list[float]]:
    """Return every quantizer's own start, per number of bits, in units of the weights: as its ``init_from`` has it."""
    bits = range(MIN_BITS, MAX_BITS + 1)
    unit, size = unit_of(summary), summary.mean_size or 1.0
    aoq = [unit / 2 ** (b - 2) for b in bits]
    lsq = [2 * size / (2 ** (b - 1) - 1) ** 0.5 for b in bits]
    return {"aoq-mid-rise": aoq, "aoq-mid-tread": aoq, "lsq": lsq, "statsq": [2 * size / 2 ** (b - 1) for b in bits]}


def grids() -> dict[str, dict[str, Any]]:
    """Return for every quantizer where its thresholds and levels are, in steps, and what of it can slide."""
    return {
        name: {
            "thresholdOffset": grid.threshold_offset,
            "levelOffset": grid.level_offset,
            "slides": name != "statsq",
            "decoupled": name.startswith("aoq"),
            "clips": name == "lsq",
        }
        for name, grid in GRIDS.items()
    }


def moments_of(schedule: ThreeStage, count: int) -> list[dict[str, Any]]:
    """Return the stages at ``count + 1`` moments of training.

    ``learned``: how far the level interval has come from its start to that of least squared error (weights at rest have
    no other loss); ``pull``: how far every weight has come to the middle of its bin. Both grow evenly over their
    stage: the published dampening loss, the unsquared norm, pulls at a constant rate.
    """
    found = []
    for k in range(count + 1):
        progress = k / count
        state = schedule(progress)
        widened = _part(progress, schedule.shrink_until, schedule.dampen_from) if schedule.levels_learn else 0.0
        pulled = _part(progress, schedule.dampen_from, 1.0) if state.dampening else 0.0
        found.append({"progress": progress, **asdict(state), "learned": widened, "pull": PULL * pulled})
    return found


def _part(progress: float, begin: float, end: float) -> float:
    return min(max((progress - begin) / max(end - begin, 1e-9), 0.0), 1.0)


def moment_text(moment: dict[str, Any] | None) -> str:
    """Return how far training is, and its stage."""
    return "not begun" if moment is None else f"{moment['progress']:.0%} {moment['stage']}"


def nearest(ratio: float) -> int:
    """Return the stop of an interval's slider that is nearest, by the logarithm."""
    return min(range(len(RATIOS)), key=lambda i: abs(math.log(max(RATIOS[i], 1e-9) / max(ratio, 1e-9))))


def ratio_text(ratio: float) -> str:
    """Return an interval in sigmas as text."""
    return f"{ratio:.3g} σ" if ratio < 0.1 else f"{ratio:.3f} σ"


def described(learned: Learned | None) -> dict[str, Any] | None:
    """Return a trained quantizer, and what the numbers of its intervals do not say; empty where there is nothing."""
    if learned is None:
        return None
    said = []
    if learned.per_channel:
        said.append("The trained intervals are means over channels, which have one each.")
    unsaid = [f"which quantizer they are of ({' or '.join(QUANTIZERS[kind] for kind in learned.kinds)})"]
    unsaid = unsaid * (len(learned.kinds) > 1) + ["for how many bits"] * (learned.bits is None)
    if unsaid:
        said.append(f"The file with the trained intervals does not say {' and '.join(unsaid)}.")
    return asdict(learned) | {"remark": " ".join(said)}


def sentence_of(summary: Summary) -> str:
    """Return what is unusual about these weights; empty where nothing is."""
    said = []
    if summary.left_out:
        said.append(
            f"{summary.left_out:,} of {summary.left_out + summary.size:,} weights are NaN or infinite and left out."
        )
    counts_in = "the sliders count in their size instead" if summary.mean_size else "the sliders count in units of w"
    if summary.size == 1:
        said.append(f"There is one weight, so σ is 0: {counts_in.replace('their', 'its')}.")
    elif not summary.sigma:
        said.append(f"All {summary.size:,} weights are equal, so σ is 0: {counts_in}.")
    return " ".join(said)
