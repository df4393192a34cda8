"""Data sets of large images, read from disk by worker processes through timm's transforms and loader."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, final

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from ..shared.seeds import mixed
from .base import Batch, Dataset, TestSplit, TrainSplit
from .draws import Moment, order_of, seeded
from .tree import Sample

# Published statistics of ImageNet, which nearly every pretrained network expects; grey: of its luminance.
NORMALISATION = {3: ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), 1: ((0.449,), (0.226,))}

Key = tuple[int, int | None]
"""Number of an image and the seed of its augmentation (``None``: not augmented)."""


@final
class ImageFiles(TorchDataset[tuple[Tensor, int]]):
    """Image files: decoded, transformed to one size, still bytes (c, h, w)."""

    def __init__(
        self,
        samples: Sequence[Sample],
        channels: int,
        plain: Callable[[Any], Tensor],
        augmented: Callable[[Any], Tensor],
    ) -> None:
        self.samples = samples
        self.mode = "L" if channels == 1 else "RGB"
        self.plain, self.augmented = plain, augmented

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: Key) -> tuple[Tensor, int]:
        index, seed = key
        path, label = self.samples[index]
        try:
            with Image.open(path) as file:
                image = file.convert(self.mode)
        except Exception as error:
            raise ValueError(f"{path} can no longer be read ({error}); put the file back and resume") from error
        if seed is None:
            return self.plain(image), label
        with seeded(seed):
            return self.augmented(image), label


class _Plan:
    """The keys of every batch, made on demand."""

    def __init__(self, places: Sequence[slice], keys: Callable[[slice], list[Key]]) -> None:
        self.places, self.keys = places, keys

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[list[Key]]:
        return map(self.keys, self.places)


@final
class Reader:
    """Hands batches of an image folder to the device, reading ahead in ``workers`` processes (0: in this one).

    A single batch is read in this process: there is nothing to read ahead.
    """

    def __init__(self, files: ImageFiles, channels: int, device: torch.device, workers: int) -> None:
        self.files, self.channels, self.device, self.workers = files, channels, device, workers

    def read(self, places: Sequence[slice], keys: Callable[[slice], list[Key]]) -> Iterator[Batch]:
        """One batch per slice, of the images that ``keys`` names for it."""
        from timm.data.loader import PrefetchLoader, fast_collate

        mean, std = NORMALISATION[self.channels]
        loader = DataLoader(
            self.files,
            batch_sampler=_Plan(places, keys),
            num_workers=min(self.workers, len(places)) if len(places) > 1 else 0,
            collate_fn=fast_collate,
            pin_memory=self.device.type == "cuda",
            generator=torch.Generator(),  # its own, so that reading draws nothing from the global one
        )
        ahead = PrefetchLoader(loader, mean=mean, std=std, channels=self.channels, device=self.device)
        for images, labels in ahead:
            yield images.contiguous(memory_format=torch.channels_last), labels


@final
class StreamTrain(TrainSplit):
    """Training images on disk: a random part of each, scaled to size, perhaps flipped."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader

    def __len__(self) -> int:
        return len(self.reader.files)

    def _read(self, moment: Moment, places: Sequence[slice], augment: bool) -> Iterator[Batch]:
        order = order_of(moment, len(self))

        def keys(place: slice) -> list[Key]:
            rows = order[place].tolist()
            return [(row, mixed(moment.seed, moment.epoch, row) if augment else None) for row in rows]

        return self.reader.read(places, keys)


@final
class StreamTest(TestSplit):
    """Test images on disk: the middle of each, scaled to size."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader

    def __len__(self) -> int:
        return len(self.reader.files)

    def _read(self, places: Sequence[slice]) -> Iterator[Batch]:
        return self.reader.read(places, lambda place: [(row, None) for row in range(place.start, place.stop)])


def cores() -> int:
    """Processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def workers_here() -> int:
    """Cores for each of the training processes that a launcher started on this machine (``LOCAL_WORLD_SIZE``)."""
    return max(1, cores() // max(1, int(os.environ.get("LOCAL_WORLD_SIZE") or 1)))


def streaming(
    name: str,
    train: Sequence[Sample],
    test: Sequence[Sample],
    *,
    classes: Sequence[str],
    channels: int,
    description: str,
    fingerprint: str,
    image_size: int,
    device: torch.device,
    workers: int | None,
) -> Dataset:
    """Return a data set of image files, which are read again in every epoch.

    Training: random resized crop (8 … 100% of the area) and flip; test: resize, then the middle 87.5%. ``workers``
    defaults to :func:`workers_here`.
    """
    from timm.data.transforms_factory import create_transform

    mean, std = NORMALISATION[channels]
    augmented = create_transform(
        image_size,
        is_training=True,
        color_jitter=None,  # type: ignore[arg-type]  # timm's own way to leave it out
        use_prefetcher=True,
    )
    plain = create_transform(image_size, is_training=False, use_prefetcher=True)
    processes = workers_here() if workers is None else workers
    readers = [
        Reader(ImageFiles(split, channels, plain, augmented), channels, device, processes) for split in (train, test)
    ]
    return Dataset(
        name=name,
        description=f"{description}; read from disk at {image_size} pixels; random resized crops and flips.",
        classes=tuple(classes),
        in_chans=channels,
        image_size=image_size,
        mean=mean,
        std=std,
        train=StreamTrain(readers[0]),
        test=StreamTest(readers[1]),
        fingerprint=fingerprint,
    )
