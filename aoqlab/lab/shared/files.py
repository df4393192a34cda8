"""Files written whole or not at all, and sets of files with digests that are checked when they are read.

A folder's ``.aoqlab.sha256`` (in the format of ``sha256sum``) holds the digest of every file of a set. It takes its
name before the files do: from that moment on the new set is the valid one, and whatever a killed process left to do is
done by the next that reads or writes in the folder.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

Content = bytes | Callable[[Path], object]
DIGESTS = ".aoqlab.sha256"
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")
_TEMPORARY = re.compile(r"\.[0-9a-f]{12}-new-(.+)", re.DOTALL)


class NotWrittenError(OSError):
    """A file could not be written. Nothing half-made is left, and an old file of its name is still there."""


class DamagedError(ValueError):
    """A file is not what was written: truncated, changed or of another kind."""


class DamagedWarning(UserWarning):
    """A damaged file is not used; something takes its place."""


def write_atomic(path: str | Path, content: Content) -> Path:
    """Write one file whole or not at all, and return its path.

    ``content`` is the bytes, or a function that writes them to the path it is given: a temporary name with the
    same suffix in the same folder. Folders are made as needed. An operating system error (full disk, no
    permission, …) is raised as ``NotWrittenError``; anything else that ``content`` raises comes through unchanged.
    """
    return write_all_atomic({Path(path): content})[0]


def write_set(files: Mapping[Path, Content]) -> list[Path]:
    """Write files as :func:`write_all_atomic`, with digests that :func:`read_set` checks; all switch at once."""
    return write_all_atomic(files, digests=True)


def write_all_atomic(files: Mapping[Path, Content], *, digests: bool = False) -> list[Path]:
    """Write several files, each whole or not at all, and return their paths; errors as in :func:`write_atomic`.

    All are complete on the disk before the first takes its name, so whatever fails while they are written leaves all
    old files unchanged. They take their names in this order: a JSON file that comes first, and holds the digests of
    files of its name with other suffixes, makes a set of them, as ``digests`` does for all files of a folder.
    """
    token = uuid.uuid4().hex[:12]
    fresh = {target: target.with_name(f".{token}-new-{target.name}") for target in files}
    folders = {target.parent: target.parent / DIGESTS for target in files}
    left = list(files)
    with ExitStack() as stack:
        try:
            for folder in sorted(folders):
                folder.mkdir(parents=True, exist_ok=True)
                if stack.enter_context(held(folder)):
                    _settle(_temporaries(folder))
            for target, content in files.items():
                _write(fresh[target], content)
            for target in files:
                if target.is_dir():
                    raise IsADirectoryError(errno.EISDIR, f"{target} is a folder")
            if digests:
                for folder, listed in folders.items():
                    own = {target.name: _sha256(fresh[target]) for target in files if target.parent == folder}
                    kept = {name: old for name, old in _digests(folder).items() if (folder / name).is_file()}
                    fresh[listed] = listed.with_name(f".{token}-new-{DIGESTS}")
                    _write(fresh[listed], "".join(f"{d}  {n}\n" for n, d in sorted((kept | own).items())).encode())
                left = [*folders.values(), *left]
            while left:
                os.replace(fresh[left[0]], left[0])
                if left.pop(0).name == DIGESTS:
                    _sync_folders(folders)
        except OSError as error:
            reason = error.strerror or str(error)
            done = [str(target) for target in files if target not in left]
            rest = f"written before that: {', '.join(done)}" if done else "nothing was changed"
            missing = ", ".join(str(target) for target in files if target in left)
            raise NotWrittenError(error.errno or errno.EIO, f"not written: {missing} ({reason}); {rest}") from error
        finally:
            _settle(fresh.values())
        _sync_folders(folders)
    return list(files)


def read_set(folder: Path, names: Iterable[str]) -> dict[str, bytes]:
    """Return the content of these files of a folder, without those that are not there: all of one set.

    Files that have no digest, written by earlier versions, are not checked. Raises ``DamagedError``, which names the
    file, for one whose content is not what was written, and ``OSError`` for one that cannot be read.
    """
    names = list(names)
    with suppress(DamagedError):
        if not any(_temporaries(folder)):
            return _read_set(folder, names)
    complete(folder)  # perhaps another process was writing at that moment, or was killed
    return _read_set(folder, names)


def read_checked(path: Path) -> bytes:
    """Return the content of one file; errors as in :func:`read_set`, and ``FileNotFoundError``."""
    found = read_set(path.parent, [path.name])
    return found[path.name] if found else path.read_bytes()


def read_json(path: Path, content: bytes | None = None) -> dict[str, Any]:
    """Return the JSON object that a file, or ``content`` read from it, holds; errors as in :func:`read_checked`."""
    content = read_checked(path) if content is None else content
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"{path} is damaged ({error})") from error
    if not isinstance(found, dict):
        raise DamagedError(f"{path} is no file of aoqlab")
    return found


def has_digest(path: Path) -> bool:
    """Return whether a file belongs to a set, so that its content can be checked."""
    return path.name in _digests(path.parent)


def complete(folder: Path) -> None:
    """Wait until no process writes in a folder, then finish or remove what a killed process left there."""
    with suppress(OSError), held(folder) as alone:
        if alone:
            _settle(_temporaries(folder))


def _read_set(folder: Path, names: list[str]) -> dict[str, bytes]:
    digests = _digests(folder)
    found = {name: (folder / name).read_bytes() for name in names if (folder / name).exists()}
    for name, content in found.items():
        if name in digests and digests[name] != hashlib.sha256(content).hexdigest():
            raise DamagedError(f"{folder / name} is damaged: its content is not what was written")
    return found


def _digests(folder: Path) -> dict[str, str]:
    try:
        lines = (folder / DIGESTS).read_text(encoding="utf-8", errors="replace").split("\n")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return {match[2]: match[1] for line in lines if (match := _LINE.fullmatch(line))}


def _temporaries(folder: Path) -> Iterator[Path]:
    """Yield files of a folder that have not taken their names: only what this module wrote, by its exact name."""
    return (folder / name for name in os.listdir(folder) if _TEMPORARY.fullmatch(name))


def _settle(temporaries: Iterable[Path]) -> None:
    """Give those their names that the valid set asks for; remove the others."""
    for temporary in temporaries:
        match = _TEMPORARY.fullmatch(temporary.name)
        assert match
        target = temporary.with_name(match[1])
        with suppress(OSError):
            digest = _sha256(temporary)
            record = target.with_suffix(".json")
            in_record = record != target and record.is_file() and digest.encode() in record.read_bytes()
            if in_record or _digests(target.parent).get(target.name) == digest:
                os.replace(temporary, target)
            else:
                temporary.unlink(missing_ok=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, content: Content) -> None:
    if callable(content):
        content(path)
    else:
        path.write_bytes(content)
    # "r+b": some systems refuse to sync a file that is open for reading only.
    with path.open("r+b") as file:
        os.fsync(file.fileno())


@contextmanager
def held(folder: Path) -> Iterator[bool]:
    """Let one process at a time write in a folder; False where the file system has no such locks (NFS)."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        alone = True
    except OSError:
        alone = False
    try:
        yield alone
    finally:
        if alone:
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # processes forked meanwhile have the descriptor too
        os.close(descriptor)


def _sync_folders(folders: Iterable[Path]) -> None:
    """Make the renames themselves last through a power cut."""
    for folder in folders:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            with suppress(OSError):  # network file systems may refuse; the files themselves are already safe
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
