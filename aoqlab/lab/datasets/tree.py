"""Folders of images, one folder per class: what is in them and how it is split."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
TEST_FOLDERS = ("val", "test", "valid", "validation")
"""In order of preference; ``test`` comes after ``val`` because ImageNet's test images have no labels."""
HELD_OUT = 5
"""One image in this many is held out for testing where no folder says which."""

Sample = tuple[str, int]
"""The path of an image and its label."""


@dataclass(frozen=True)
class Tree:
    """A folder of images: files with labels, the classes in order of name, and the split."""

    folder: Path
    samples: tuple[Sample, ...]
    is_train: tuple[bool, ...]
    classes: tuple[str, ...]

    def half(self, train: bool) -> list[Sample]:
        """Return the files of one split, in order."""
        return [sample for sample, is_train in zip(self.samples, self.is_train, strict=True) if is_train is train]

    @cached_property
    def fingerprint(self) -> str:
        """A text that changes with every file added, removed, renamed or rewritten; not with the folder's place."""
        above = len(str(self.folder))
        states = [(path[above:], os.stat(path)) for path, _ in self.samples]
        listing = [(name, state.st_size, state.st_mtime_ns) for name, state in states]
        return hashlib.sha256(repr(listing).encode()).hexdigest()[:16]


def list_tree(folder: Path) -> Tree:
    """Return what is in ``folder``: ``train/`` and one of ``TEST_FOLDERS``, or class folders alone.

    Without a test folder a fifth of every class is held out, the same images each time. Raises ``ValueError`` with a
    sentence on what is wrong.
    """
    inside = _folders_in(folder)
    test = next((name for name in TEST_FOLDERS if name in inside), None)
    if "train" not in inside or test is None:  # `train` among other classes is a class itself
        return _held_out(folder, folder / "train" if inside == ["train"] else folder)
    classes, samples = _samples(folder / "train")
    tested, test_samples = _samples(folder / test)
    if classes != tested:
        pairs = (("train", classes, tested), (test, tested, classes))
        only = [
            f"only {name}/ has {_few(set(has) - set(other))}" for name, has, other in pairs if set(has) - set(other)
        ]
        raise ValueError(f"train/ and {test}/ in {folder} differ in their classes: {'; '.join(only)}")
    is_train = (True,) * len(samples) + (False,) * len(test_samples)
    return Tree(folder, (*samples, *test_samples), is_train, classes)


def _held_out(folder: Path, train: Path) -> Tree:
    """Return the stratified split; at least one image of each class is held out."""
    classes, samples = _samples(train)
    labels = np.array([label for _, label in samples])
    is_train = np.ones(len(samples), dtype=bool)
    for label, name in enumerate(classes):
        rows = np.flatnonzero(labels == label)
        if len(rows) < 2:
            raise ValueError(f"class folder {train / name} holds one image; put at least two in, to train and to test")
        order = np.random.default_rng(0).permutation(rows)
        is_train[order[: max(1, round(len(rows) / HELD_OUT))]] = False
    return Tree(folder, tuple(samples), tuple(is_train.tolist()), classes)


def _samples(folder: Path) -> tuple[tuple[str, ...], list[Sample]]:
    """Return the classes in order of name, at least two, and their images at any depth, none without."""
    from torchvision.datasets.folder import make_dataset

    names = _folders_in(folder)
    if not names:
        raise ValueError(f"{folder} has no class folders; put the images of each class into a folder of its own")
    numbers = {name: label for label, name in enumerate(names)}
    above = len(str(folder))
    samples = make_dataset(str(folder), numbers, is_valid_file=lambda path: _is_image(path[above:]), allow_empty=True)
    filled = {label for _, label in samples}
    if empty := [name for name, label in numbers.items() if label not in filled]:
        raise ValueError(f"class folder {folder / empty[0]} holds no images ({', '.join(SUFFIXES)})")
    if len(names) == 1:
        raise ValueError(f"{folder} has only one class, {names[0]}; classification needs at least two")
    return tuple(names), samples


def _is_image(path: str) -> bool:
    """Whether a file is an image by its name, and neither hidden nor in a hidden folder."""
    return path.lower().endswith(SUFFIXES) and f"{os.sep}." not in path


def _folders_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _few(names: Collection[str]) -> str:
    ordered = sorted(names)
    return ", ".join(ordered[:3]) + (f" and {len(ordered) - 3} more" if len(ordered) > 3 else "")
