"""Data sets that are known by name."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .base import Dataset
from .memory import in_memory

DIGITS_TEST = 450


def digits(root: Path, download: bool, image_size: int | None, device: torch.device) -> Dataset:
    """Scikit-learn's 1,797 handwritten digits, 8x8 grey; values 0 … 16 become 0 … 240. Ships with scikit-learn.

    The 450 test images are the first of NumPy's permutation with seed 0.
    """
    bunch = _scikit_digits()
    pixels = torch.from_numpy((bunch.images * 15).astype(np.uint8)).unsqueeze(3)
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(pixels)))
    return in_memory(
        "digits",
        pixels[order],
        torch.from_numpy(bunch.target.astype(np.int64))[order],
        torch.arange(len(pixels)) >= DIGITS_TEST,
        classes=[str(name) for name in bunch.target_names],
        fingerprint="digits-1",
        flip=False,
        image_size=image_size,
        device=device,
    )


@cache
def _scikit_digits() -> Any:
    """Keep them in memory, as reading them from text takes as long as a few training steps."""
    from sklearn.datasets import load_digits

    return load_digits()


def cifar(kind: str, root: Path, download: bool, image_size: int | None, device: torch.device) -> Dataset:
    """CIFAR-10 or CIFAR-100 (Krizhevsky, 2009), 32x32 colour, through torchvision, which checks the files."""
    from torchvision import datasets

    source: Any = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[kind]
    remedy = (
        f"unpack {source.url} there, which gives {root / source.base_folder}, "
        "or set AOQLAB_DATA to the folder that holds it"
    )
    try:
        with warnings.catch_warnings():
            # The files were pickled by an old NumPy; nothing a user could do about it.
            warnings.filterwarnings("ignore", message=r"dtype\(\): align should be passed")
            halves = [source(root, train=train, download=download) for train in (True, False)]
    except (OSError, RuntimeError) as error:  # no network is an OSError, a missing or damaged file a RuntimeError
        if download:
            raise ConnectionError(f"{kind} could not be downloaded into {root} ({error}); {remedy}") from error
        raise FileNotFoundError(f"{kind} is not in {root}, or damaged; pass --download, or {remedy}") from error
    pixels = torch.from_numpy(np.concatenate([half.data for half in halves]))
    return in_memory(
        kind,
        pixels,
        torch.tensor([label for half in halves for label in half.targets]),
        torch.arange(len(pixels)) < len(halves[0].data),
        classes=halves[0].classes,
        fingerprint=f"{kind}-1",  # torchvision has compared the files with their published checksums
        flip=True,
        image_size=image_size,
        device=device,
    )


NAMED: Mapping[str, Callable[[Path, bool, int | None, torch.device], Dataset]] = {
    "digits": digits,
    "cifar10": partial(cifar, "cifar10"),
    "cifar100": partial(cifar, "cifar100"),
}
