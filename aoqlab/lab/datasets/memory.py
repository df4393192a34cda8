"""Data sets whose images are in memory as bytes, on the training device: no worker processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from .base import Batch, Dataset, Images, TestSplit, TrainSplit
from .draws import Moment, draw
from .pixels import LIMIT, crop_and_flip, mean_and_std, normalise, resized, resized_bytes


@final
@dataclass(frozen=True)
class MemoryImages(Images):
    """Images as bytes on one device, where a batch at a time is cropped, flipped and normalised."""

    pixels: UInt8[Tensor, "n h w c"]
    labels: Int64[Tensor, " n"]
    mean: Float[Tensor, " c"]
    std: Float[Tensor, " c"]
    flip: bool
    resize: int | None
    """Size of the images in a batch, where they are stored smaller."""

    @property
    def padding(self) -> int:
        """Width of the frame that crops are taken from: 4 at 32 pixels, 1 at 8."""
        return self.pixels.shape[1] // 8

    def __len__(self) -> int:
        return len(self.pixels)

    def read(self, places: Sequence[slice], moment: Moment | None = None, augment: bool = False) -> Iterator[Batch]:
        drawn = moment and draw(moment, len(self), self.padding, self.flip, self.pixels.device)
        for place in places:
            rows = drawn.order[place] if drawn else place
            pixels = self.pixels[rows]
            if drawn and augment:
                pixels = crop_and_flip(pixels, drawn.top[place], drawn.left[place], drawn.flip[place], self.padding)
            images = normalise(pixels, self.mean, self.std)
            yield images if self.resize is None else resized(images, self.resize), self.labels[rows]


def in_memory(
    name: str,
    pixels: UInt8[Tensor, "n s s c"],
    labels: Int64[Tensor, " n"],
    is_train: Bool[Tensor, " n"],
    *,
    classes: Sequence[str],
    fingerprint: str,
    flip: bool,
    image_size: int | None,
    device: torch.device,
) -> Dataset:
    """Make a data set of square images that are bytes on the CPU, moved to ``device``.

    Another ``image_size`` resizes them once, or batch by batch where the resized images would take too much memory.
    Mean and standard deviation come from the training images.
    """
    channels, size = pixels.shape[3], image_size or pixels.shape[1]
    fits = len(pixels) * size**2 * channels <= LIMIT
    if size != pixels.shape[1] and fits:
        pixels = resized_bytes(pixels, size)
    parts = [(pixels[mask], labels[mask]) for mask in (is_train, ~is_train)]
    mean, std = mean_and_std(parts[0][0])
    resize = None if fits else size
    train, test = (
        MemoryImages(images.to(device), named.to(device), mean.to(device), std.to(device), flip, resize)
        for images, named in parts
    )
    return Dataset(
        name=name,
        classes=tuple(classes),
        in_chans=channels,
        image_size=size,
        mean=tuple((mean / 255).tolist()),
        std=tuple((std / 255).tolist()),
        train=TrainSplit(train),
        test=TestSplit(test),
        fingerprint=fingerprint,
    )
