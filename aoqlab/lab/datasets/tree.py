"""Folders of images, one folder per class: what is in them and how it is split."""

from __future__ import annotations

import hashlib
import os
import re
import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np

SUFFIXES = (
    *(".avif", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pgm", ".png", ".ppm"),
    *(".tif", ".tiff", ".webp"),
)
OTHER_IMAGES = (".dng", ".heic", ".heif", ".jxl", ".svg")
"""Formats that Pillow does not know, and that a warning names."""
TRAIN_NAMES = ("train", "training", "trn")
TEST_NAMES = ("val", "test", "valid", "validation", "dev", "development", "eval", "evaluation", "testing", "holdout")
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
    """Return what is in ``folder``: a folder of ``TRAIN_NAMES`` and one of ``TEST_NAMES``, or class folders alone.

    The names of parts may have any case, digits and marks, and a word such as "set" at the end ("Train", "val_2017",
    "test-set"). Without a test folder a fifth of every class is held out, the same images each time. Raises
    ``ValueError`` with a sentence on what is wrong, and where folders of no known name look like parts.
    """
    inside = _folders_in(folder)
    parts = {name: _part(name) for name in inside}
    trains = [name for name in inside if parts[name] in TRAIN_NAMES]
    first = next((part for part in TEST_NAMES if part in parts.values()), None)
    tests = [name for name in inside if parts[name] == first]
    if not trains or not tests:  # `train` among other classes is a class itself
        only_train = len(inside) == len(trains) == 1
        if not only_train:
            _refuse_parts(folder, inside)
        return _held_out(folder, folder / trains[0] if only_train else folder)
    for names in (trains, tests):
        if len(names) > 1:
            raise ValueError(f"{_few(names)} in {folder} are the same part by their names; merge them into one folder")
    (train,), (test,) = trains, tests
    classes, samples = _samples(folder / train)
    tested, test_samples = _samples(folder / test)
    if classes != tested:
        pairs = ((train, classes, tested), (test, tested, classes))
        only = [
            f"only {name}/ has {_few(set(has) - set(other))}" for name, has, other in pairs if set(has) - set(other)
        ]
        raise ValueError(f"{train}/ and {test}/ in {folder} differ in their classes: {'; '.join(only)}")
    is_train = (True,) * len(samples) + (False,) * len(test_samples)
    return Tree(folder, (*samples, *test_samples), is_train, classes)


def _part(name: str) -> str:
    """Return what a folder's name says of its part: letters alone, in lower case, without "set", "data", "images"."""
    return re.sub("(set|data|images|split)$", "", "".join(filter(str.isalpha, name.lower())))


def _refuse_parts(folder: Path, names: list[str]) -> None:
    """Raise ``ValueError`` where all folders share several sub-folders and hold no image themselves.

    A single sub-folder that all share, such as ``images/``, is no sign of parts.
    """
    shared = set.intersection(*(set(_folders_in(folder / name)) for name in names)) if len(names) > 1 else set()
    if len(shared) > 1 and not any(_is_image(file) for name in names for file in os.listdir(folder / name)):
        raise ValueError(
            f"are {_few(names)} in {folder} classes, or parts of the data? All hold the folders {_few(shared)} and no "
            "image; call parts train/ and val/, or put the images of a class directly into its folder"
        )


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
    names = _folders_in(folder)
    if not names:
        raise ValueError(f"{folder} has no class folders; put the images of each class into a folder of its own")
    samples: list[Sample] = []
    others: list[str] = []
    for label, name in enumerate(names):
        files = [file for _, some in sorted(_walk(str(folder / name), (os.path.realpath(folder),))) for file in some]
        images = [file for file in files if _is_image(file)]
        others += [file for file in files if not _is_image(file)]
        if not images:
            raise ValueError(f"class folder {folder / name} holds no images ({', '.join(SUFFIXES)})")
        samples += [(file, label) for file in images]
    if len(names) == 1:
        raise ValueError(f"{folder} has only one class, {names[0]}; classification needs at least two")
    left_out = [file for file in others if os.path.splitext(file)[1].lower() in _other_suffixes()]
    if left_out:
        warnings.warn(
            f"{len(left_out)} images in {folder} are left out, {left_out[0]} first; convert them to one of "
            f"{', '.join(SUFFIXES)}",
            stacklevel=2,
        )
    return tuple(names), samples


@cache
def _other_suffixes() -> set[str]:
    """Return the suffixes of formats that hold images and are not read."""
    from PIL import Image

    return {*OTHER_IMAGES, *(suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN)}


def _walk(folder: str, above: tuple[str, ...]) -> Iterator[tuple[str, list[str]]]:
    """Yield ``folder`` and all folders in it with the paths of their files in order, none hidden; links are followed.

    ``above``: the real paths of the folders that lead there. Raises ``ValueError`` for a link to one of them, or to
    nothing.
    """
    real = os.path.realpath(folder)
    if real in above:
        raise ValueError(f"{folder} is a link to {real}, a folder that it is in; remove the link")
    files = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            _refuse_dangling(entry)
            if entry.is_dir():
                yield from _walk(entry.path, (*above, real))
            else:
                files.append(entry.path)
    yield folder, sorted(files)


def _refuse_dangling(entry: os.DirEntry[str] | Path) -> None:
    if entry.is_symlink() and not os.path.exists(entry):
        raise ValueError(f"{os.fspath(entry)} is a link to {os.readlink(entry)}, which is not there; remove the link")


def _is_image(path: str) -> bool:
    return path.lower().endswith(SUFFIXES)


def _folders_in(folder: Path) -> list[str]:
    """Return the names of the folders in ``folder``, in order, none hidden."""
    shown = [path for path in folder.iterdir() if not path.name.startswith(".")]
    for path in shown:
        _refuse_dangling(path)
    return sorted(path.name for path in shown if path.is_dir())


def _few(names: Collection[str]) -> str:
    ordered = sorted(names)
    return ", ".join(ordered[:3]) + (f" and {len(ordered) - 3} more" if len(ordered) > 3 else "")
