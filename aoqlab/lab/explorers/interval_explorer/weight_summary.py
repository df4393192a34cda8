"""A layer's weights in a few hundred kilobytes, from which any uniform quantizer's numbers follow at once.

Up to ``DISTINCT`` different values (so all weights in half precision, and most layers) they are kept with their counts
and everything is exact. Beyond, the middle of the weights is counted in ``BINS`` equal bins with an edge at 0 (where
pruned weights are), and the tails outside are kept one by one.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

DISTINCT = 2**19
BINS = 2**20
TAIL = 2**12
"""Weights on either side that are kept one by one where the others are counted in bins."""
CHUNK = 2**22
"""Weights that are looked at together, so that memory does not grow with the layer."""
_SAMPLE = 2**16


class NoWeights(ValueError):
    """There is nothing to summarise; the message says why."""


@dataclass(frozen=True)
class Summary:
    """Different values in ascending order with their counts, and (``bins`` not empty) a histogram between them.

    Bin ``i`` holds weights w with ``floor(w / width) - first = i``; ``width`` and all values in units of the weights.
    ``left_out`` counts NaN and infinite weights, which nothing else here knows of.
    """

    size: int
    left_out: int
    mean: float
    sigma: float
    """Standard deviation with Bessel's correction, as AOQ's start takes it; 0 for a single weight."""
    mean_size: float
    """``mean |w|``, from which LSQ's start and StatsQ's step follow."""
    values: NDArray[np.float32]
    counts: NDArray[np.uint32]
    first: int
    width: float
    bins: NDArray[np.uint32]

    @property
    def low(self) -> float:
        """The smallest weight, or the edge of its bin."""
        return float(min([*self.values[:1], *self._edges]))

    @property
    def high(self) -> float:
        """The greatest weight, or the edge of its bin."""
        return float(max([*self.values[-1:], *self._edges]))

    @property
    def _edges(self) -> tuple[float, ...]:
        return tuple((self.first + at) * self.width for at in (0, len(self.bins))) if len(self.bins) else ()

    @property
    def exact(self) -> bool:
        """Whether every weight is in it with its own value."""
        return not len(self.bins)

    def message(self) -> dict[str, Any]:
        """For the browser (``weight_summary.js``): arrays as differences, deflated."""
        return {
            "size": self.size,
            "first": self.first,
            "width": self.width,
            "values": _deflated(np.diff(_ordered(self.values), prepend=np.uint32(0))),
            "counts": b"" if (self.counts == 1).all() else _deflated(self.counts),
            "bins": _deflated(self.bins),
        }


def summarise(weights: Tensor) -> Summary:
    """Return the summary of all finite weights, taken as float32. Raise :class:`NoWeights` where none is finite.

    Memory beyond the weights is bounded: they are read in chunks.
    """
    flat = weights.detach().reshape(-1)
    if not flat.numel():
        raise NoWeights("there are no weights: the tensor is empty")
    size, total, squares, absolute, low, high = 0, 0.0, 0.0, 0.0, np.inf, -np.inf
    for part in _chunks(flat):
        wide = part.double()
        size += part.numel()
        total, squares, absolute = (
            total + float(wide.sum()),
            squares + float(wide @ wide),
            absolute + float(wide.abs().sum()),
        )
        low, high = min(low, float(part.min())), max(high, float(part.max()))
    if not size:
        raise NoWeights(f"none of the {flat.numel()} weights is finite: find where NaN or infinity came from")
    mean = total / size
    if size > 1:  # a second pass: the difference of sums loses the spread of weights far from 0
        squares = sum(float((part.double() - mean).square().sum()) for part in _chunks(flat))
    sigma = (squares / (size - 1)) ** 0.5 if size > 1 and low < high else 0.0
    rest: dict[str, Any] = {"size": size, "left_out": flat.numel() - size, "mean": mean, "sigma": sigma}
    rest["mean_size"] = absolute / size
    distinct = _distinct(flat, size)
    if distinct is not None:
        return Summary(**rest, values=distinct[0], counts=distinct[1], first=0, width=1.0, bins=np.empty(0, np.uint32))
    left, right = _cuts(flat, size)
    width = (right - left) / BINS
    first = int(np.floor(left / width))
    bins, tails = np.zeros(BINS + 1, np.int64), []
    for part in _chunks(flat):
        place = torch.floor(part.double() / width).long() - first
        inside = (place >= 0) & (place <= BINS)
        bins += torch.bincount(place[inside], minlength=BINS + 1).numpy()
        tails.append(part[~inside].numpy())
    values, counts = np.unique(np.concatenate(tails), return_counts=True)
    return Summary(
        **rest, values=values, counts=counts.astype(np.uint32), first=first, width=width, bins=bins.astype(np.uint32)
    )


def _chunks(flat: Tensor) -> Any:
    """Yield the finite weights as float32 on the CPU, ``CHUNK`` at a time; −0 is 0."""
    for part in flat.split(CHUNK):
        part = part.to("cpu", torch.float32)
        finite = torch.isfinite(part)
        if finite.any():
            yield (part if finite.all() else part[finite]) + 0.0


def _distinct(flat: Tensor, size: int) -> tuple[NDArray[np.float32], NDArray[np.uint32]] | None:
    """Return all different values and their counts, or ``None`` where there are more than ``DISTINCT``."""
    if size > DISTINCT:
        sample = flat[:: max(1, len(flat) // _SAMPLE)].to("cpu", torch.float32)
        if len(torch.unique(sample)) > 0.9 * len(sample):
            return None  # hardly any value comes twice, so there is no need to sort them all
    values, counts = np.empty(0, np.float32), np.empty(0, np.int64)
    for part in _chunks(flat):
        new, times = np.unique(part.numpy(), return_counts=True)
        both, index = np.unique(np.concatenate([values, new]), return_inverse=True)
        counts = np.bincount(index, weights=np.concatenate([counts, times]), minlength=len(both)).astype(np.int64)
        values = both
        if len(values) > DISTINCT:
            return None
    return values, counts.astype(np.uint32)


def _cuts(flat: Tensor, size: int) -> tuple[float, float]:
    """Return where the tails begin: about ``TAIL`` weights are outside on either side."""
    share = TAIL / size
    step = max(1, len(flat) // 2**22)
    sample = flat[::step].to("cpu", torch.float32).double().numpy()
    left, right = np.quantile(sample[np.isfinite(sample)], [share, 1 - share])
    if right > left:
        return float(left), float(right)
    return float(left) - 1e-3 * abs(float(left)) - 1e-30, float(left) + 1e-3 * abs(float(left)) + 1e-30


def _ordered(values: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Return whole numbers in the order of the values: neighbours differ little, which deflates well."""
    raw = np.ascontiguousarray(values, "<f4").view(np.uint32)
    return np.where(raw >> 31, ~raw, raw | np.uint32(1 << 31)).astype(np.uint32)


def _deflated(values: NDArray[np.uint32]) -> bytes:
    """Deflate (zlib) the little-endian bytes, first all lowest bytes, then all second ones, ..."""
    planes = np.ascontiguousarray(values, "<u4").view(np.uint8).reshape(-1, 4).T
    return zlib.compress(np.ascontiguousarray(planes).tobytes(), 5)
