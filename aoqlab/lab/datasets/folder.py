"""A folder of images as a data set: in memory if the images are small, read from disk in every epoch if not."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ...kernels.native import cache_folder
from ..shared.store import Store
from .base import Dataset
from .decode import fitted, look_at_all
from .memory import in_memory
from .pixels import LIMIT
from .streaming import streaming
from .tree import list_tree


def load_folder(folder: Path, *, image_size: int | None, device: torch.device, workers: int | None) -> Dataset:
    """Every file is decoded once before anything else, so that a bad one is named now and not in the middle of a run.

    What was found is kept in the cache folder for as long as the files stay the same.
    """
    tree = list_tree(folder)
    paths, labels = zip(*tree.samples, strict=True)
    place = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    looked = Store(cache_folder() / "datasets").tensors(
        f"{place}-{tree.fingerprint}-upright", lambda: look_at_all(paths), replaces=f"{place}-*"
    )
    sizes, channels, pixels = looked["sizes"], looked["channels"], looked["pixels"]
    native = _native_size(paths, sizes, image_size)
    stored = None
    if len(pixels):
        depth = _one_depth(paths, channels)
        if native is not None:
            stored = pixels.view(len(sizes), native, native, depth)
        elif image_size is not None and len(sizes) * image_size**2 * depth <= LIMIT:
            stored = fitted(pixels, sizes, depth, image_size)
    if stored is not None:
        return in_memory(
            folder.name,
            stored,
            torch.tensor(labels),
            torch.tensor(tree.is_train),
            classes=tree.classes,
            fingerprint=tree.fingerprint,
            flip=True,
            image_size=image_size,
            device=device,
        )

    size = image_size or native
    assert size is not None, "_native_size raises where both are missing"
    # Grey photographs among others are read as colour: ImageNet itself has some.
    return streaming(tree, channels=int(channels.max()), image_size=size, device=device, workers=workers)


def _native_size(paths: Sequence[str], sizes: Tensor, image_size: int | None) -> int | None:
    """Height and width that all images share; ``None`` if they differ and ``image_size`` will make them equal."""
    height, width = sizes[0].tolist()
    other = (sizes != sizes[0]).any(1).nonzero()
    if not len(other) and height == width:
        return int(height)
    if image_size is not None:
        return None
    first = f"{paths[0]} is {width}x{height} pixels"
    if not len(other):
        raise ValueError(
            f"images are not square ({first}); give image_size=N (--image-size N) to scale and crop them to NxN"
        )
    row = int(other[0])
    height, width = sizes[row].tolist()
    raise ValueError(
        f"images differ in size ({first}, {paths[row]} is {width}x{height}); "
        "give image_size=N (--image-size N) to scale and crop them all to NxN"
    )


def _one_depth(paths: Sequence[str], channels: Tensor) -> int:
    """1 or 3, the same for all images."""
    first = int(channels[0])
    other = (channels != first).nonzero()
    if len(other):
        files = sorted([(first, paths[0]), (4 - first, paths[int(other[0])])])
        raise ValueError(
            f"grey and colour images are mixed ({files[0][1]} is grey, {files[1][1]} is colour); "
            "convert them all to one kind"
        )
    return first
