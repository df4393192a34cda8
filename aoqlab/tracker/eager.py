"""One step of codes in Torch, for where the compiled kernel is not: in two ways that count the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from .counting import CodeCounter

MASK_BITS = 4
"""Up to here the visited levels of a weight are an exact bit mask; above, the lowest and the highest level visited."""

SPARE = 4096


def splitmix(z: Tensor) -> Tensor:
    """Mix 64 bits as the compiled kernel does, in wrapping int64 arithmetic."""

    def shift(v: Tensor, by: int) -> Tensor:  # logical, not arithmetic
        return (v >> by) & ((1 << (64 - by)) - 1)

    z = z + (0x9E3779B97F4A7C15 - (1 << 64))
    z = (z ^ shift(z, 30)) * (0xBF58476D1CE4E5B9 - (1 << 64))
    z = (z ^ shift(z, 27)) * (0x94D049BB133111EB - (1 << 64))
    return z ^ shift(z, 31)


def _decayed(counter: CodeCounter) -> Tensor:
    frequency = counter._frequency_bits.view(torch.float32)
    return frequency.mul_(1 - torch.tensor(counter.momentum, dtype=torch.float32).item())


def count_moved(counter: CodeCounter, flat: Tensor) -> None:
    """Count a step with a few dense operations; everything else touches only the weights that moved."""
    frequency = _decayed(counter)
    index = (flat != counter._current).nonzero().squeeze(1)
    before, now = counter._current[index].long(), flat[index].long()
    delta = now - before
    down = delta < 0
    old = frequency[index]
    oscillates = (counter._crossings[index] > 0) & (torch.signbit(old) != down)
    counter._crossings[index] += delta.abs().int()
    counter._oscillations[index] += oscillates.int()
    value = old.abs() + torch.where(oscillates, counter.momentum, 0.0).to(torch.float32)
    frequency[index] = torch.where(down, -value, value)
    if counter.bits <= MASK_BITS:
        counter._visited[index] |= (torch.ones_like(now, dtype=torch.int32) << now.int()).to(torch.int16)
    else:
        counter._lowest[index] = torch.minimum(counter._lowest[index], flat[index])
        counter._highest[index] = torch.maximum(counter._highest[index], flat[index])
    layer, levels = counter._layer_of(index), 2**counter.bits
    ones = torch.ones_like(layer)
    histogram = counter.level_histogram.view(-1)
    histogram.index_add_(0, layer * levels + before, -ones)
    histogram.index_add_(0, layer * levels + now, ones)
    counter.transitions.view(-1).index_add_(0, (layer * levels + before) * levels + now, ones)
    initial = counter._initial[index].long()
    counter._hamming.index_add_(0, layer, (now != initial).long() - (before != initial).long())
    if counter.count_configurations:
        counter._hash.index_add_(0, layer, splitmix(index * 256 + now) - splitmix(index * 256 + before))
    counter._current[index] = flat[index]


def count_all(counter: CodeCounter, flat: Tensor) -> None:
    """Count a step over all weights: no shape depends on the codes, so that Python never waits for a GPU."""
    frequency, levels = _decayed(counter), 2**counter.bits
    index = torch.arange(flat.numel(), device=flat.device)
    before, now = counter._current.long(), flat.long()
    delta = now - before
    moved, down = delta != 0, delta < 0
    oscillates = moved & (counter._crossings > 0) & (torch.signbit(frequency) != down)
    counter._crossings += delta.abs()
    counter._oscillations += oscillates
    value = frequency.abs() + torch.where(oscillates, counter.momentum, 0.0).to(torch.float32)
    frequency.copy_(torch.where(moved, torch.where(down, -value, value), frequency))
    if counter.bits <= MASK_BITS:
        counter._visited |= (torch.ones_like(now, dtype=torch.int32) << now.int()).to(torch.int16)
    else:
        torch.minimum(counter._lowest, flat, out=counter._lowest)
        torch.maximum(counter._highest, flat, out=counter._highest)
    # Weights that stayed go to spare places at the end: many of them, because additions to a single one would queue up.
    table = counter.transitions.numel()
    place = (counter._layer_of(index) * levels + before) * levels + now
    place = torch.where(moved, place, table + index % SPARE)
    counts = torch.zeros(table + SPARE, dtype=torch.int64, device=flat.device)
    counts = counts.index_add_(0, place, torch.ones_like(place))[:table].view_as(counter.transitions)
    counter.transitions += counts
    counter.level_histogram += counts.sum(1) - counts.sum(2)
    counter._hamming.copy_(_layer_sums(counter, (flat != counter._initial).long()))
    if counter.count_configurations:
        hashes = splitmix(index * 256 + now) - splitmix(index * 256 + before)
        counter._hash += _layer_sums(counter, hashes)
    counter._current.copy_(flat)


def _layer_sums(counter: CodeCounter, values: Tensor) -> Tensor:
    """Sum int64 values per layer, as differences of a running sum (which may wrap around)."""
    ends = values.cumsum(0)[counter._offsets[1:] - 1]
    return ends.diff(prepend=ends.new_zeros(1))
