"""The door: a data set by its name or its folder."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import NoReturn

import torch

from ..shared import paths
from .base import Dataset
from .folder import load_folder
from .named import NAMED


def data_root(root: str | Path | None = None) -> Path:
    """Return where named data sets are: ``root``, otherwise ``$AOQLAB_DATA``, otherwise the project's ``data/``."""
    chosen = root or os.environ.get("AOQLAB_DATA")
    return Path(chosen).expanduser() if chosen else paths.project_root() / "data"


def load(
    name_or_folder: str | Path,
    *,
    root: str | Path | None = None,
    image_size: int | None = None,
    download: bool = False,
    device: str | torch.device = "cpu",
    workers: int | None = None,
) -> Dataset:
    """Load a data set by name (digits, cifar10, cifar100) or by folder: its own path, or the name of one in ``root``.

    A folder holds ``train/`` and ``val/`` (:mod:`~aoqlab.lab.datasets.tree` has more names) with a folder of images per
    class, or only the class folders, of which a fixed fifth is then held out. Images are turned as their EXIF
    orientation says. ``image_size`` resizes the images to that many pixels; ``download`` fetches what is missing;
    ``workers`` processes read large images (default: one per core, shared between the training processes on this
    machine).
    """
    if image_size is not None and image_size < 1:
        raise ValueError(f"image_size must be at least 1 pixel, got {image_size}")
    where = data_root(root)
    name = str(name_or_folder)
    if name in NAMED:
        return NAMED[name](where, download, image_size, torch.device(device))
    if not name:
        raise ValueError(f"the name of the data set is empty; give a folder or one of {', '.join(NAMED)}")
    folder = folder_of(name_or_folder, root)
    if folder is None:
        _refuse(Path(name_or_folder).expanduser(), where)
    return load_folder(folder, image_size=image_size, device=torch.device(device), workers=workers)


def folder_of(name_or_folder: str | Path, root: str | Path | None = None) -> Path | None:
    """Return the absolute folder that :func:`load` would read, ``None`` for named sets and where it would raise.

    As the working directory or ``root`` may be others later, this is what to write down. Symbolic links are followed.
    """
    name = str(name_or_folder)
    if not name or name in NAMED:
        return None
    given = Path(name_or_folder).expanduser()
    return next((folder.resolve() for folder in (given, data_root(root) / given) if folder.is_dir()), None)


def _refuse(given: Path, root: Path) -> NoReturn:
    """Say why there is no such folder, neither by itself nor in ``root``."""
    if given.exists():
        raise NotADirectoryError(f"{given} is a file; give a folder with one folder of images per class")
    if len(given.parts) > 1:
        raise FileNotFoundError(f"there is no folder {given}; give an existing one, or one of {', '.join(NAMED)}")
    beside = [entry.name for entry in root.iterdir() if entry.is_dir()] if root.is_dir() else []
    near = difflib.get_close_matches(str(given).lower(), [*NAMED, *beside])
    known = f"did you mean {' or '.join(near)}? Known" if near else "known"
    raise ValueError(
        f"no data set is called {str(given)!r}, and neither the working directory nor {root} has such a folder; "
        f"{known}: {', '.join(NAMED)}, or a folder"
    )
