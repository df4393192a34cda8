"""Results kept on disk under what they were made from, so that they are read instead of made again."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from safetensors import SafetensorError
from safetensors.torch import load, save

from .files import DamagedError, DamagedWarning, NotWrittenError, read_checked, write_atomic

if TYPE_CHECKING:
    from torch import Tensor


class NotKeptWarning(UserWarning):
    """A result could not be kept; it will be made again next time."""


@dataclass(frozen=True)
class Entry:
    """What is stored under one key."""

    content: bytes
    about: Mapping[str, Any]
    """Anything that JSON can hold."""

    def tensors(self) -> dict[str, Tensor]:
        """Return the content as the tensors that :func:`tensor_bytes` was given."""
        return tensors_of(self.content, "the entry")


def tensor_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """Return tensors as bytes in the safetensors format, which holds nothing that could execute."""
    whole: dict[str, Tensor] = {}
    seen = set()
    for name, tensor in tensors.items():
        plain = tensor.detach().cpu().contiguous()
        place = plain.untyped_storage().data_ptr()
        # The format refuses tensors that share memory, such as tied weights.
        whole[name] = plain.clone() if place in seen else plain
        seen.add(place)
    return save(whole)


def tensors_of(content: bytes, place: Path | str) -> dict[str, Tensor]:
    """Undo :func:`tensor_bytes`; raise ``DamagedError``, which names ``place``, if it holds no tensors."""
    try:
        return load(content)
    except SafetensorError as error:
        raise DamagedError(f"{place} holds no tensors ({error})") from error


def read_table(path: Path, content: bytes | None = None) -> pd.DataFrame:
    """Return the table that a Parquet file, or ``content`` read from it, holds; raise ``DamagedError`` or ``OSError``.

    The file is checked as by :func:`~.files.read_checked`.
    """
    content = read_checked(path) if content is None else content
    try:
        return pd.read_parquet(BytesIO(content))
    except Exception as error:  # foreign bytes: the reader raises whatever they lead it to
        raise DamagedError(f"{path} holds no table ({error})") from error


def write_entry(path: Path, content: bytes, about: Mapping[str, Any] | None = None) -> Path:
    """Write an entry whole or not at all, its SHA-256 first; raise ``NotWrittenError`` where that fails."""
    head = json.dumps(about or {}).encode() + b"\n"
    digest = hashlib.sha256(head)
    digest.update(content)

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            file.writelines([digest.hexdigest().encode(), b"\n", head, content])

    return write_atomic(path, write)


def read_entry(path: Path) -> Entry:
    """Read an entry; raise ``DamagedError`` if it is not what was written, ``OSError`` if it cannot be read."""
    written, _, rest = path.read_bytes().partition(b"\n")
    if hashlib.sha256(rest).hexdigest().encode() != written:
        raise DamagedError(f"{path} is truncated or damaged")
    about, _, content = rest.partition(b"\n")
    return Entry(content, json.loads(about))


class Store:
    """A folder with an entry per key. An entry that is damaged counts as absent, with a ``DamagedWarning``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, key: str) -> Path:
        """Return the file of a key."""
        return self.folder / f"{key}.entry"

    def read(self, key: str) -> Entry | None:
        """Return the entry of a key, ``None`` where there is none."""
        try:
            return read_entry(self.path(key))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, DamagedError) as error:
            warnings.warn(f"{error}; it is made again", DamagedWarning, stacklevel=2)
            return None

    def write(self, key: str, content: bytes, about: Mapping[str, Any] | None = None) -> Path:
        """Store content under a key; raise ``NotWrittenError`` where that fails."""
        return write_entry(self.path(key), content, about)

    def tensors(
        self, key: str, make: Callable[[], Mapping[str, Tensor]], replaces: str | None = None
    ) -> Mapping[str, Tensor]:
        """Return the tensors of a key; where there are none, make them and store them.

        Other entries whose keys match the pattern ``replaces`` are removed then. Warns with ``NotKeptWarning`` where
        the tensors cannot be stored.
        """
        entry = self.read(key)
        if entry is not None:
            return entry.tensors()
        made = make()
        try:
            fresh = self.write(key, tensor_bytes(made))
        except NotWrittenError as error:
            warnings.warn(f"results are not kept: {error}", NotKeptWarning, stacklevel=2)
            return made
        for old in self.folder.glob(f"{replaces}.entry") if replaces else ():
            if old != fresh:
                with suppress(OSError):  # another process may read or remove it
                    old.unlink()
        return made
