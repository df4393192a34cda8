"""Randomness without state: what is drawn depends on seed, epoch and image alone."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from ..shared.seeds import mixed


@dataclass(frozen=True)
class Moment:
    """A seed and an epoch, which together fix every draw of the epoch."""

    seed: int
    epoch: int


@dataclass(frozen=True)
class Draws:
    """What is drawn for one epoch, one entry per place in it."""

    order: Int64[Tensor, " n"]
    """Which image comes at each place."""
    top: Int64[Tensor, " n"]
    """First row of the crop in the padded image, 0 … 2·padding."""
    left: Int64[Tensor, " n"]
    """First column of the crop."""
    flip: Bool[Tensor, " n"]
    """Whether the crop is mirrored left to right."""


def order_of(moment: Moment, count: int) -> Int64[Tensor, " n"]:
    """Return the order of the images in an epoch, on the CPU; that of :func:`draw` too."""
    return torch.randperm(count, generator=_generator(moment))


def draw(moment: Moment, count: int, padding: int, flip: bool, device: torch.device) -> Draws:
    """Order, offsets and flips of an epoch: drawn on the CPU, the same for every device, and moved there once."""
    generator = _generator(moment)
    order = torch.randperm(count, generator=generator)
    top, left = torch.randint(0, 2 * padding + 1, (2, count), generator=generator)
    flips = torch.rand(count, generator=generator) < (0.5 if flip else 0.0)
    return Draws(order.to(device), top.to(device), left.to(device), flips.to(device))


def _generator(moment: Moment) -> torch.Generator:
    return torch.Generator().manual_seed(mixed(moment.seed, moment.epoch))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Python's, NumPy's and Torch's CPU generators start from ``seed`` inside and are as before afterwards.

    For transforms that draw from the global generators.
    """
    kept = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - the generator that such transforms use
    torch.default_generator.manual_seed(seed)  # not torch.manual_seed, which would touch CUDA, here in a fork
    try:
        yield
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])  # noqa: NPY002
        torch.set_rng_state(kept[2])
