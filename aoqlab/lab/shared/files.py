"""Writing files whole or not at all."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

Content = bytes | Callable[[Path], object]


class NotWrittenError(OSError):
    """A file could not be written. Nothing half-made is left, and an old file of its name is still there."""


def write_atomic(path: str | Path, content: Content) -> Path:
    """Write one file whole or not at all, and return its path.

    ``content`` is the bytes, or a function that writes them to the path it is given: a temporary name with the
    same suffix in the same folder. Folders are made as needed. An operating system error (full disk, no
    permission, …) is raised as ``NotWrittenError``; anything else that ``content`` raises comes through unchanged.
    """
    return write_all_atomic({Path(path): content})[0]


def write_all_atomic(files: Mapping[Path, Content]) -> list[Path]:
    """Write several files, each whole or not at all, and return their paths; errors as in :func:`write_atomic`.

    All are complete on the disk before the first takes its name, so whatever fails while they are written leaves all
    old files unchanged.
    """
    token = uuid.uuid4().hex[:12]
    fresh = {target: target.with_name(f".{token}-new-{target.name}") for target in files}
    left = list(files)
    try:
        for target, content in files.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            _write(fresh[target], content)
        for target in files:
            if target.is_dir():
                raise IsADirectoryError(errno.EISDIR, f"{target} is a folder")
        while left:
            os.replace(fresh[left[0]], left[0])
            del left[0]
    except OSError as error:
        reason = error.strerror or str(error)
        done = [str(target) for target in files if target not in left]
        rest = f"written before that: {', '.join(done)}" if done else "nothing was changed"
        message = f"not written: {', '.join(map(str, left))} ({reason}); {rest}"
        raise NotWrittenError(error.errno or errno.EIO, message) from error
    finally:
        for temporary in fresh.values():
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
    for folder in {target.parent for target in files}:
        _sync_folder(folder)
    return list(files)


def _write(path: Path, content: Content) -> None:
    if callable(content):
        content(path)
    else:
        path.write_bytes(content)
    # "r+b": some systems refuse to sync a file that is open for reading only.
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make the renames themselves last through a power cut, where folders can be synced (not on Windows)."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # network file systems may refuse; the files themselves are already safe
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
