"""What was decoded once, kept on disk: whole, checked, and only as long as the files it came from are the same."""

from __future__ import annotations

import hashlib
import warnings
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ...kernels.native import cache_folder
from ..shared.files import NotWrittenError, write_atomic


class CacheWarning(UserWarning):
    """Decoded images could not be kept; they are decoded anew next time."""


def remembered(folder: Path, fingerprint: str, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """The tensors that ``make`` returned for this folder when it last had this fingerprint; made now if there are none.

    A damaged file counts as none. One fingerprint is kept per folder.
    """
    home = cache_folder() / "datasets"
    where = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    path = home / f"{folder.resolve().name}-{where}-{fingerprint}.safetensors"
    if (known := _read(path)) is not None:
        return known
    tensors = make()
    checksums = {name: str(_checksum(tensor)) for name, tensor in tensors.items()}
    try:
        write_atomic(path, lambda file: save_file(tensors, file, metadata=checksums))
    except NotWrittenError as error:
        warnings.warn(f"decoded images are not kept: {error}", CacheWarning, stacklevel=2)
        return tensors
    for old in home.glob(f"*-{where}-*.safetensors"):
        if old != path:
            with suppress(OSError):  # another process may read or delete it
                old.unlink()
    return tensors


def _read(path: Path) -> dict[str, Tensor] | None:
    """The tensors of a file whose checksums hold."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            checksums = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError):
        return None
    whole = all(checksums.get(name) == str(_checksum(tensor)) for name, tensor in tensors.items())
    return tensors if whole and tensors else None


def _checksum(tensor: Tensor) -> int:
    return zlib.crc32(tensor.contiguous().view(-1).view(torch.uint8).numpy().data)
