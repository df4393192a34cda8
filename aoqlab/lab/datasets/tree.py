"""Folders of images, one folder per class: what is in them and how it is split."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
TEST_FOLDERS = ("val", "test", "valid", "validation")
"""In order of preference; ``test`` comes after ``val`` because ImageNet's test images have no labels."""
HELD_OUT = 5
"""One image in this many is held out for testing where no folder says which."""


@dataclass(frozen=True)
class File:
    """An image file; its size in bytes and time of change (ns) tell whether it is still the same."""

    path: str
    size: int
    changed: int


@dataclass(frozen=True)
class Tree:
    """A folder of images: files with labels, the classes in order of name, and the split."""

    folder: Path
    files: tuple[File, ...]
    labels: tuple[int, ...]
    is_train: tuple[bool, ...]
    classes: tuple[str, ...]
    split: str
    """How training and test images were told apart, for the reader."""

    @property
    def paths(self) -> list[Path]:
        """The files, in order."""
        return [Path(file.path) for file in self.files]

    @property
    def fingerprint(self) -> str:
        """Changes with every file added, removed, renamed or rewritten; not with where the folder is."""
        above = len(str(self.folder))
        listing = [(file.path[above:], file.size, file.changed) for file in self.files]
        return hashlib.sha256(repr(listing).encode()).hexdigest()[:16]


def list_tree(folder: Path) -> Tree:
    """What is in ``folder``: ``train/`` and one of ``TEST_FOLDERS``, or class folders alone.

    Without a test folder a fifth of every class is held out, the same images each time. Raises ``FileNotFoundError``
    or ``ValueError`` with a sentence on what is wrong.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder; give a folder that holds train/ and val/, or one per class")
    if not any(_visible(folder)):
        raise ValueError(f"{folder} is empty; put train/ and val/ with one folder of images per class into it")
    train, test = _split_folders(folder)
    classes = _classes(train)
    if test is None:
        return _held_out(folder, train, classes)
    tested = _classes(test)
    if classes.keys() != tested.keys():
        only = [f"only {part.name}/ has {_few(has - other)}" for part, has, other in (
            (train, classes.keys(), tested.keys()), (test, tested.keys(), classes.keys())) if has - other]  # fmt: skip
        raise ValueError(f"{train.name}/ and {test.name}/ in {folder} differ in their classes: {'; '.join(only)}")
    names = tuple(classes)
    rows = [
        (file, label, part is classes)
        for part in (classes, tested)
        for label, name in enumerate(names)
        for file in part[name]
    ]
    files, labels, is_train = zip(*rows, strict=True)
    return Tree(folder, files, labels, is_train, names, f"trained on {train.name}/, tested on {test.name}/")


def _held_out(folder: Path, train: Path, classes: dict[str, list[File]]) -> Tree:
    """The stratified split; at least one image of each class is held out."""
    rows: list[tuple[File, int, bool]] = []
    for label, (name, files) in enumerate(classes.items()):
        if len(files) < 2:
            raise ValueError(f"class folder {train / name} holds one image; put at least two in, to train and to test")
        order = np.random.default_rng(0).permutation(len(files))
        held = set(order[: max(1, round(len(files) / HELD_OUT))].tolist())
        rows += [(file, label, number not in held) for number, file in enumerate(files)]
    found, labels, is_train = zip(*rows, strict=True)
    why = "no test folder, so a fixed fifth of every class is held out for testing"
    return Tree(folder, found, labels, is_train, tuple(classes), why)


def _split_folders(folder: Path) -> tuple[Path, Path | None]:
    """Training and test folder; ``train`` among other classes is a class itself."""
    inside = {entry.name for entry in _visible(folder) if entry.is_dir()}
    test = next((name for name in TEST_FOLDERS if name in inside), None)
    if "train" in inside and test is not None:
        return folder / "train", folder / test
    return (folder / "train" if inside == {"train"} else folder), None


def _classes(folder: Path) -> dict[str, list[File]]:
    """Files of every class, in order of name; at least two classes, none empty."""
    names = sorted(entry.name for entry in _visible(folder) if entry.is_dir())
    if not names:
        raise ValueError(f"{folder} has no class folders; put the images of each class into a folder of its own")
    classes = {name: sorted(_images(folder / name), key=lambda file: file.path) for name in names}
    if empty := [name for name, files in classes.items() if not files]:
        raise ValueError(f"class folder {folder / empty[0]} holds no images ({', '.join(sorted(SUFFIXES))})")
    if len(names) == 1:
        raise ValueError(f"{folder} has only one class, {names[0]}; classification needs at least two")
    return classes


def _images(folder: Path) -> Iterator[File]:
    """Image files at any depth."""
    for entry in _visible(folder):
        if entry.is_dir():
            yield from _images(Path(entry.path))
        elif os.path.splitext(entry.name)[1].lower() in SUFFIXES:
            about = entry.stat()
            yield File(entry.path, about.st_size, about.st_mtime_ns)


def _visible(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Entries except for hidden ones, which systems leave behind (``._a.jpg``, ``.DS_Store``)."""
    with os.scandir(folder) as entries:
        yield from (entry for entry in entries if not entry.name.startswith("."))


def _few(names: Sequence[str] | set[str]) -> str:
    ordered = sorted(names)
    return ", ".join(ordered[:3]) + (f" and {len(ordered) - 3} more" if len(ordered) > 3 else "")
