"""A layer's weights in a few hundred kilobytes, from which any uniform quantizer's numbers follow at once.

They are kept as different values with their counts. Up to ``DISTINCT`` values (so all weights in half precision, and
most layers) everything is exact. Beyond, weights share a value where they agree in all but the last ``dropped`` bits of
their float32, which are then at most 2^(dropped - 23) of their size apart.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

DISTINCT = 2**19
CHUNK = 2**22
"""Weights that are looked at together, so that memory does not grow with the layer."""


class NoWeights(ValueError):
    """There is nothing to summarise; the message says why."""


@dataclass(frozen=True)
class Summary:
    """Cells of equal or nearly equal weights in ascending order, with the number of weights in each.

    ``left_out`` counts NaN and infinite weights, which nothing else here knows of.
    """

    cells: NDArray[np.uint32]
    """``key >> dropped`` of the weights, where keys are whole numbers in the order of all float32."""
    counts: NDArray[np.int64]
    dropped: int
    left_out: int

    @cached_property
    def values(self) -> NDArray[np.float32]:
        """The middle of every cell; the weights themselves where ``dropped`` is 0."""
        keys = (self.cells << self.dropped) + np.uint32(2**self.dropped >> 1)
        return np.where(keys >> 31, keys & np.uint32(2**31 - 1), ~keys).view(np.float32)

    @cached_property
    def size(self) -> int:
        return int(self.counts.sum())

    @cached_property
    def sigma(self) -> float:
        """Standard deviation with Bessel's correction, as AOQ's start takes it; 0 where all weights are equal."""
        if len(self.cells) < 2:
            return 0.0
        wide = self.values.astype(np.float64)
        away = wide - self.counts @ wide / self.size
        return float(np.sqrt(self.counts @ away**2 / (self.size - 1)))

    @cached_property
    def mean_size(self) -> float:
        """``mean |w|``, from which LSQ's start and StatsQ's step follow."""
        return float(self.counts @ np.abs(self.values.astype(np.float64)) / self.size)

    def message(self) -> dict[str, Any]:
        """For the browser (``weight_summary.js``): cells as differences, arrays deflated."""
        return {
            "size": self.size,
            "dropped": self.dropped,
            "cells": _deflated(np.diff(self.cells, prepend=np.uint32(0))),
            "counts": b"" if (self.counts == 1).all() else _deflated(self.counts),
        }


def summarise(weights: Tensor) -> Summary:
    """Return the summary of all finite weights, taken as float32. Raise :class:`NoWeights` where none is finite.

    Memory beyond the weights is bounded: they are read in chunks.
    """
    flat = weights.detach().reshape(-1)
    if not flat.numel():
        raise NoWeights("there are no weights: the tensor is empty")
    cells: NDArray[np.uint32] = np.empty(0, np.uint32)
    counts, dropped = np.empty(0, np.int64), 0
    for part in flat.split(CHUNK):
        part = part.to("cpu", torch.float32)
        new, times = np.unique(_keys(part[torch.isfinite(part)].numpy()) >> dropped, return_counts=True)
        cells, counts = _merged(np.concatenate([cells, new]), np.concatenate([counts, times]))
        while len(cells) > DISTINCT:
            dropped += 1
            cells, counts = _merged(cells >> np.uint32(1), counts)
    if not len(cells):
        raise NoWeights(f"none of the {flat.numel()} weights is finite: find where NaN or infinity came from")
    return Summary(cells, counts, dropped, flat.numel() - int(counts.sum()))


def _merged(cells: NDArray[np.uint32], counts: NDArray[np.int64]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Return the different cells in ascending order, with the sums of their counts."""
    order = np.argsort(cells, kind="stable")  # fast for what is made of one or two ascending parts
    cells = cells[order]
    starts = np.flatnonzero(np.diff(cells, prepend=cells[:1] + np.uint32(1)))
    return cells[starts], np.add.reduceat(counts[order], starts) if len(starts) else counts


def _keys(values: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Return whole numbers in the order of the values; -0 is 0."""
    raw = (values + np.float32(0)).view(np.uint32)
    return np.where(raw >> 31, ~raw, raw | np.uint32(2**31))


def _deflated(values: NDArray[Any]) -> bytes:
    """Deflate (zlib) the little-endian bytes as uint32, first all lowest bytes, then all second ones, ..."""
    planes = np.ascontiguousarray(values, "<u4").view(np.uint8).reshape(-1, 4).T
    return zlib.compress(np.ascontiguousarray(planes).tobytes(), 5)
