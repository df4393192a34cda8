"""Numbers and pictures of a quantizer over all weights of a layer, which come in chunks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from ....quantizers import AOQ, UniformQuantizer
from ....ste import encode
from ...plots import level_colors, staircase, weight_histogram
from .work import Steps

PIECE = 1 << 17
"""Weights at a time: what is computed on the way stays within a few megabytes."""


def pieces(parts: Iterable[Tensor]) -> Iterator[Tensor]:
    """The same weights in smaller parts."""
    for part in parts:
        yield from part.split(PIECE)


def steps_of(quantizer: UniformQuantizer) -> tuple[Tensor, Tensor]:
    """The distances between thresholds and between levels."""
    return quantizer.threshold_step, quantizer.level_step.detach()


def exact_numbers(
    quantizer: UniformQuantizer, parts: Iterable[Tensor], near: float, move: float
) -> Steps[dict[str, Any]]:
    """Squared error, mean square, SQNR, entropy, share near a threshold, expected crossings, occupancy.

    See ``Intervals.readouts``. ``near`` and ``move`` in units of the weights.
    """
    cuts, levels = quantizer.thresholds().double(), quantizer.levels().double()
    step = steps_of(quantizer)[0]
    squares = power = 0.0
    counts, close, crossed = torch.zeros(len(levels), dtype=torch.long), 0, 0
    for part in pieces(parts):
        wide, codes = part.double(), encode(part, step, quantizer.grid).long()
        squares += float((levels[codes] - wide).square().sum())
        power += float(wide @ wide)
        counts += torch.bincount(codes, minlength=len(levels))
        above, below = cuts[codes.clamp_max(len(cuts) - 1)], cuts[(codes - 1).clamp_min(0)]
        close += int((torch.minimum((wide - above).abs_(), (wide - below).abs_()) <= near).sum())
        up, down = (encode(wide + by, step.double(), quantizer.grid) for by in (move, -move))
        crossed += int(up.long().sum() - down.long().sum())
        yield len(part)
    size = int(counts.sum())
    shares = counts.double() / size
    return {
        "mse": squares / size,
        "power": power / size,
        "sqnr": 10 * math.log10(power / squares) if squares > 0 and power > 0 else None,
        "entropy": float(torch.special.entr(shares).sum()) / math.log(2),
        "near": close / size,
        "crossings": crossed / 2 / size,
        "occupancy": shares.tolist(),
    }


def best_level(quantizer: AOQ, parts: Iterable[Tensor]) -> Steps[float]:
    """The level interval of least squared error at these thresholds: where levels go that learn from it alone."""
    unit = quantizer.grid.levels(torch.tensor(1.0)).double()
    above = below = 0.0
    for part in pieces(parts):
        places = unit[quantizer.encode(part).long()]
        above, below = above + float(places @ part.double()), below + float(places @ places)
        yield 0  # a preparation: the numbers themselves count every weight once
    return above / max(below * float(quantizer.shrink), 1e-300)


def drawn(quantizer: UniformQuantizer, parts: Iterable[Tensor], reach: float, method: str) -> Figure:
    """Histogram, staircase and occupancy side by side; weights from ``-reach`` to ``reach``."""
    cuts, levels = quantizer.thresholds().numpy(), quantizer.levels().numpy()
    edges = np.linspace(-reach, reach, 201)
    counts, shares = np.zeros(200), np.zeros(len(levels))
    for part in pieces(parts):
        counts += np.histogram(part.numpy(), bins=edges)[0]
        codes = encode(part, steps_of(quantizer)[0], quantizer.grid).long()
        shares += torch.bincount(codes, minlength=len(levels)).numpy()
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=[1.3, 1, 1])
    view = (-reach, reach)
    weight_histogram(thresholds=cuts, levels=levels, counts=counts, edges=edges, xlim=view, ax=left)
    x = np.linspace(-reach, reach, 401)
    ramp = np.clip(x, levels[0], levels[-1]) if quantizer.clips else x
    staircase(cuts, levels, xlim=view, ste=(x, ramp), method=method, ax=middle).set_ylim(-reach, reach)
    right.bar(range(len(shares)), shares / shares.sum(), width=0.9, color=level_colors(len(shares)))
    dashed: Any = (0, (5, 2.5))
    right.axhline(1 / len(shares), color="#333333", linewidth=0.9, linestyle=dashed, label="all levels alike")
    right.set(xlabel="code", ylabel="weights (share)")
    right.legend()
    return figure
