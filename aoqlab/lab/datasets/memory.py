"""Data sets whose images are in memory as bytes, on the training device: no worker processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import final

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from .base import Batch, Dataset, TestSplit, TrainSplit
from .draws import Moment, draw
from .pixels import LIMIT, crop_and_flip, mean_and_std, normalise, resized, resized_bytes


@final
class Pixels:
    """Images as bytes with their labels, on one device, and how they are normalised."""

    def __init__(
        self,
        pixels: UInt8[Tensor, "n h w c"],
        labels: Int64[Tensor, " n"],
        mean: Float[Tensor, " c"],
        std: Float[Tensor, " c"],
        resize: int | None = None,
    ) -> None:
        self.pixels, self.labels, self.mean, self.std = pixels, labels, mean, std
        self.resize = resize
        """Size of the images in a batch, where they are stored smaller."""

    @property
    def images(self) -> UInt8[Tensor, "n c h w"]:
        """The stored images, in channels-last memory."""
        return self.pixels.permute(0, 3, 1, 2)

    def ready(self, pixels: UInt8[Tensor, "b h w c"]) -> Float[Tensor, "b c h2 w2"]:
        """Normalised images of a batch."""
        images = normalise(pixels, self.mean, self.std)
        return images if self.resize is None else resized(images, self.resize)


@final
class MemoryTrain(TrainSplit):
    """Training images in memory; crops and flips are made on the device, a batch at a time."""

    def __init__(self, store: Pixels, flip: bool) -> None:
        self.store, self.flip = store, flip
        self.padding = padding_of(store.pixels.shape[1])

    def __len__(self) -> int:
        return len(self.store.pixels)

    def _read(self, moment: Moment, places: Sequence[slice], augment: bool) -> Iterator[Batch]:
        store = self.store
        drawn = draw(moment, len(self), self.padding, self.flip, store.pixels.device)
        for place in places:
            rows = drawn.order[place]
            pixels = store.pixels[rows]
            if augment:
                pixels = crop_and_flip(pixels, drawn.top[place], drawn.left[place], drawn.flip[place], self.padding)
            yield store.ready(pixels), store.labels[rows]


@final
class MemoryTest(TestSplit):
    """Test images in memory."""

    def __init__(self, store: Pixels) -> None:
        self.store = store

    def __len__(self) -> int:
        return len(self.store.pixels)

    def _read(self, places: Sequence[slice]) -> Iterator[Batch]:
        for place in places:
            yield self.store.ready(self.store.pixels[place]), self.store.labels[place]


def padding_of(size: int) -> int:
    """Width of the frame that crops are taken from: 4 at 32 pixels, 1 at 8."""
    return size // 8


def in_memory(
    name: str,
    pixels: UInt8[Tensor, "n s s c"],
    labels: Int64[Tensor, " n"],
    is_train: Bool[Tensor, " n"],
    *,
    classes: Sequence[str],
    description: str,
    fingerprint: str,
    flip: bool,
    image_size: int | None,
    device: torch.device,
) -> Dataset:
    """Make a data set of square images that are bytes on the CPU, moved to ``device``.

    Another ``image_size`` resizes them once, or batch by batch where the resized images would take too much memory.
    Mean and standard deviation come from the training images.
    """
    native, channels = pixels.shape[1], pixels.shape[3]
    size = image_size or native
    fits = len(pixels) * size**2 * channels <= LIMIT
    if size != native and fits:
        pixels = resized_bytes(pixels, size)
    parts = [(pixels[mask], labels[mask]) for mask in (is_train, ~is_train)]
    mean, std = mean_and_std(parts[0][0])
    resize = None if fits else size
    train, test = (
        Pixels(images.to(device), named.to(device), mean.to(device), std.to(device), resize) for images, named in parts
    )
    resizing = "" if size == native else f", resized from {native} pixels"
    crops = f"crops from a frame of {padding_of(train.pixels.shape[1])} pixels{' and flips' if flip else ''}"
    return Dataset(
        name=name,
        description=f"{description}{resizing}; in memory; {crops}.",
        classes=tuple(classes),
        in_chans=channels,
        image_size=size,
        mean=tuple((mean / 255).tolist()),
        std=tuple((std / 255).tolist()),
        train=MemoryTrain(train, flip),
        test=MemoryTest(test),
        fingerprint=fingerprint,
    )
