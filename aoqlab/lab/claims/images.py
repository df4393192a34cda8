"""A small part of a large set of images, for budgets that have no GPU."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from PIL import Image

from .. import datasets
from ..datasets.memory import MemoryImages
from ..shared.files import write_atomic

TRAIN_PER_CLASS, TEST_PER_CLASS = 200, 100
DONE = "complete"


def reduced(images: str | Path, folder: Path) -> Path:
    """Write the first 200 training and 100 test images of each class of ``images`` as PNG files into ``folder``.

    ``images``: a folder, or the name of a data set; returns the new folder, which is used again if it is there. Raises
    ``ValueError`` where the images are too large to be held in memory.
    """
    data = datasets.load(images)
    target = folder / f"{Path(images).name}-reduced"
    mark = target / DONE
    if mark.is_file() and mark.read_text() == data.fingerprint:
        return target
    train, test = data.train.images, data.test.images
    if not isinstance(train, MemoryImages) or not isinstance(test, MemoryImages):
        raise ValueError(f"{images} holds large images; the reduced budgets need small ones, such as CIFAR-10's")
    shutil.rmtree(target, ignore_errors=True)
    for split, store, most in (("train", train, TRAIN_PER_CLASS), ("test", test, TEST_PER_CLASS)):
        for label, name in enumerate(data.classes):
            place = target / split / name
            place.mkdir(parents=True)
            for number in torch.nonzero(store.labels == label).flatten()[:most].tolist():
                Image.fromarray(store.pixels[number].squeeze(-1).numpy()).save(place / f"{number:06d}.png")
    write_atomic(mark, data.fingerprint.encode())
    return target
