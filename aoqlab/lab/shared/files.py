"""Writing files whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

Content = bytes | Callable[[Path], object]


class NotWrittenError(OSError):
    """A file could not be written; what was there before is still there, and nothing half-made is left."""


def write_atomic(path: str | Path, content: Content) -> Path:
    """Writes one file whole or not at all, and returns its path.

    `content` is the bytes, or a function that writes them to the path it is given: a temporary name with the
    same suffix in the same folder. Folders are made as needed. An operating system error (full disk, no
    permission, …) is raised as `NotWrittenError`; anything else that `content` raises comes through as it is.
    """
    return write_all_atomic({Path(path): content})[0]


def write_all_atomic(files: Mapping[Path, Content]) -> list[Path]:
    """Writes several files, all or none: every one is complete on the disk before the first takes its name.

    Files of the same names that were there before come back if any step fails. Errors as in `write_atomic`.
    """
    token = uuid.uuid4().hex[:12]
    fresh = {target: target.with_name(f".{token}-new-{target.name}") for target in files}
    try:
        for target, content in files.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            _write(fresh[target], content)
        _take_names(fresh, token)
    except OSError as error:
        names = ", ".join(map(str, files))
        reason = error.strerror or str(error)
        message = f"not written: {names} ({reason}); nothing was changed"
        raise NotWrittenError(error.errno or errno.EIO, message) from error
    finally:
        for temporary in fresh.values():
            _discard(temporary)
    for folder in {target.parent for target in files}:
        sync_folder(folder)
    return list(files)


def write_frame(frame: pd.DataFrame, path: str | Path) -> Path:
    """Writes a table as parquet, whole or not at all; `path` ends in .parquet.

    The row numbers are not kept. A named index carries data, so it raises `ValueError`: reset it first.
    """
    if Path(path).suffix != ".parquet":
        raise ValueError(f"a table is written as .parquet, got {Path(path).name!r}")
    named = [name for name in frame.index.names if name is not None]
    if named:
        raise ValueError(f"the index {named} would be lost; call reset_index() first")
    return write_atomic(path, lambda temporary: frame.to_parquet(temporary, engine="pyarrow", index=False))


def _write(path: Path, content: Content) -> None:
    if callable(content):
        content(path)
    else:
        path.write_bytes(content)
    # "r+b": some systems refuse to sync a file that is open for reading only.
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def _take_names(fresh: Mapping[Path, Path], token: str) -> None:
    """Renames every fresh file to its target; puts all old files back if one rename fails."""
    kept: dict[Path, Path | None] = {}  # target → its old file under another name, None where there was none
    try:
        for target, temporary in fresh.items():
            if target.is_dir():
                raise IsADirectoryError(errno.EISDIR, f"{target} is a folder")
            old = target.with_name(f".{token}-old-{target.name}") if target.exists() else None
            if old is not None:
                _keep(target, old)
            kept[target] = old
            os.replace(temporary, target)
    except BaseException:
        for target, old in kept.items():
            if old is not None:
                os.replace(old, target)
            elif not fresh[target].exists():
                _discard(target)
        raise
    finally:
        # Left alone only if putting it back failed: then it is the last copy.
        for target, old in kept.items():
            if old is not None and target.exists():
                _discard(old)


def _keep(path: Path, copy: Path) -> None:
    """A second name for the old file; a copy where the file system knows no hard links."""
    try:
        os.link(path, copy)
    except OSError:
        try:
            shutil.copy2(path, copy)
        except BaseException:
            _discard(copy)
            raise


def _discard(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Makes the renames themselves last through a power cut, where folders can be synced (not on Windows)."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # network file systems may refuse; the files themselves are already safe
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
