"""Data sets of large images, read from disk by worker processes through timm's transforms and loader."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import joblib
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from ..shared.seeds import mixed
from .base import Batch, Dataset, Images, TestSplit, TrainSplit
from .decode import upright
from .draws import Moment, order_of, seeded
from .tree import Sample, Tree

# Published statistics of ImageNet, which nearly every pretrained network expects; grey: of its luminance.
NORMALISATION = {3: ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), 1: ((0.449,), (0.226,))}

Transform = Callable[[Any], Tensor]
Key = tuple[int, int | None]
"""Number of an image and the seed of its augmentation (``None``: not augmented)."""


@final
@dataclass(frozen=True)
class StreamedImages(Images, TorchDataset[tuple[Tensor, int]]):
    """Image files whose batches go to the device, read ahead in ``workers`` processes (0: in this one).

    A single batch is read in this process: there is nothing to read ahead.
    """

    samples: Sequence[Sample]
    channels: int
    plain: Transform
    augmented: Transform
    device: torch.device
    workers: int

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: Key) -> tuple[Tensor, int]:
        """Decode an image and transform it to the size of the batch, still bytes (c, h, w)."""
        index, seed = key
        path, label = self.samples[index]
        try:
            with Image.open(path) as file:
                image = upright(file).convert("L" if self.channels == 1 else "RGB")
        except Exception as error:
            raise ValueError(f"{path} can no longer be read ({error}); put the file back and resume") from error
        if seed is None:
            return self.plain(image), label
        with seeded(seed):
            return self.augmented(image), label

    def read(self, places: Sequence[slice], moment: Moment | None = None, augment: bool = False) -> Iterator[Batch]:
        from timm.data.loader import PrefetchLoader, fast_collate

        order = order_of(moment, len(self)) if moment else torch.arange(len(self))

        def keys(place: slice) -> list[Key]:
            rows = order[place].tolist()
            return [(row, mixed(moment.seed, moment.epoch, row) if moment and augment else None) for row in rows]

        loader = DataLoader(
            self,
            batch_sampler=map(keys, places),
            num_workers=min(self.workers, len(places)) if len(places) > 1 else 0,
            collate_fn=fast_collate,
            pin_memory=self.device.type == "cuda",
            generator=torch.Generator(),  # its own, so that reading draws nothing from the global one
        )
        mean, std = NORMALISATION[self.channels]
        for images, labels in PrefetchLoader(loader, mean=mean, std=std, channels=self.channels, device=self.device):
            yield images.contiguous(memory_format=torch.channels_last), labels


def streaming(tree: Tree, *, channels: int, image_size: int, device: torch.device, workers: int | None) -> Dataset:
    """Return a data set of image files, which are read again in every epoch.

    Training: random resized crop (8 … 100% of the area) and flip; test: resize, then the middle 87.5%. ``workers``
    defaults to one per core, shared by the training processes that a launcher started on this machine.
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
    if workers is None:
        workers = max(1, joblib.cpu_count() // max(1, int(os.environ.get("LOCAL_WORLD_SIZE") or 1)))
    train, test = (
        StreamedImages(samples, channels, plain, augmented, device, workers)
        for samples in (tree.half(train=True), tree.half(train=False))
    )
    return Dataset(
        name=tree.folder.name,
        classes=tree.classes,
        in_chans=channels,
        image_size=image_size,
        mean=mean,
        std=std,
        train=TrainSplit(train),
        test=TestSplit(test),
        fingerprint=tree.fingerprint,
    )
