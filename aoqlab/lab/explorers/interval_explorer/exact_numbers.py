"""Numbers of a quantizer over all weights of a layer, which come in chunks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from ....quantizers import AOQ, UniformQuantizer
from ....ste import encode


def exact_numbers(quantizer: UniformQuantizer, parts: Iterable[Tensor], near: float, move: float) -> dict[str, Any]:
    """Return squared error, mean square, SQNR, entropy, share near a threshold, expected crossings, occupancy.

    See ``Intervals.readouts``. ``near`` and ``move`` in units of the weights.
    """
    cuts, levels, step = quantizer.thresholds().double(), quantizer.levels().double(), quantizer.threshold_step
    squares = power = 0.0
    counts, close, crossed = torch.zeros(len(levels), dtype=torch.long), 0, 0
    for part in parts:
        wide, codes = part.double(), encode(part, step, quantizer.grid).long()
        squares += float((levels[codes] - wide).square().sum())
        power += float(wide @ wide)
        counts += torch.bincount(codes, minlength=len(levels))
        above, below = cuts[codes.clamp_max(len(cuts) - 1)], cuts[(codes - 1).clamp_min(0)]
        close += int((torch.minimum((wide - above).abs_(), (wide - below).abs_()) <= near).sum())
        up, down = (encode(wide + by, step.double(), quantizer.grid) for by in (move, -move))
        crossed += int(up.long().sum() - down.long().sum())
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


def best_level(quantizer: AOQ, parts: Iterable[Tensor]) -> float:
    """Return the level interval of least squared error at these thresholds, to which levels go that learn from it."""
    unit = quantizer.grid.levels(torch.tensor(1.0)).double()
    above = below = 0.0
    for part in parts:
        places = unit[quantizer.encode(part).long()]
        above, below = above + float(places @ part.double()), below + float(places @ places)
    return above / max(below * float(quantizer.shrink), 1e-300)
