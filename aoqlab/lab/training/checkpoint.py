"""Checkpoints: everything a run needs to go on, in two files of tensors and JSON, nothing that could execute.

A checkpoint is a folder ``checkpoint-<step>/`` with ``checkpoint.safetensors`` (the model) and ``state.safetensors``
(optimizer, tracker, sums of the running epoch; counters and tables as JSON in its header, and the checksum of the other
file). It is made under another name and renamed once both are on the disk, so it is there whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..shared.files import NotWrittenError, sync_folder

FORMAT = "aoqlab-checkpoint-2"
KEPT = 2
"""The newest checkpoint and the one before it."""
MODEL, STATE = "checkpoint.safetensors", "state.safetensors"


class CheckpointError(ValueError):
    """A file is no usable checkpoint of this run; the message names it."""


class CheckpointWarning(UserWarning):
    """A checkpoint was refused and an older one is used."""


@dataclass(frozen=True)
class Checkpoint:
    """One moment of a run."""

    step: int
    model: dict[str, Tensor]
    state: dict[str, Tensor]
    meta: dict[str, Any]


def save(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint whole or not at all, then remove all but the newest two. Raises ``NotWrittenError``."""
    target = folder / f"checkpoint-{checkpoint.step:08d}"
    fresh = folder / f".checkpoint-{uuid.uuid4().hex[:12]}"
    try:
        fresh.mkdir(parents=True)
        _write(checkpoint.model, fresh / MODEL, {"format": FORMAT})
        meta = {**checkpoint.meta, "step": checkpoint.step, "model_sha256": _sha256(fresh / MODEL)}
        _write(checkpoint.state, fresh / STATE, {"format": FORMAT, "state": json.dumps(meta)})
        sync_folder(fresh)
        if target.exists():  # of the same step, so of the same content; kept until the new one has its name
            os.replace(target, folder / f".checkpoint-old-{uuid.uuid4().hex[:12]}")
        os.replace(fresh, target)
        sync_folder(folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise NotWrittenError(
            f"no checkpoint written to {target} ({error}); the one before it is still there"
        ) from error
    for old in [*folder.glob(".checkpoint-*"), *saved(folder)[KEPT:]]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def saved(folder: Path) -> list[Path]:
    """Folders of checkpoints, the newest first."""
    return sorted((p for p in folder.glob("checkpoint-*") if p.is_dir()), reverse=True)


def load_newest(folder: Path, digest: str) -> Checkpoint | None:
    """The newest usable checkpoint, or ``None`` where there is none yet.

    One that is truncated, damaged or of other settings (``digest``) is refused by name with a ``CheckpointWarning`` and
    the one before it is used. Raises ``CheckpointError`` when there are checkpoints and none can be used.
    """
    refused = []
    for path in saved(folder):
        try:
            checkpoint = load(path, digest)
        except CheckpointError as error:
            refused.append(str(error))
            continue
        for reason in refused:
            warnings.warn(f"{reason}; going on from {path.name} instead", CheckpointWarning, stacklevel=2)
        return checkpoint
    if refused:
        raise CheckpointError(f"no checkpoint in {folder} can be used: {'; '.join(refused)}")
    return None


def load(path: Path, digest: str) -> Checkpoint:
    """Read one checkpoint. Raises ``CheckpointError`` if it is truncated, damaged, foreign or of other settings."""
    state, header = _read(path / STATE)
    model, _ = _read(path / MODEL)
    try:
        meta = json.loads(header["state"])
        step, checksum, found = meta["step"], meta["model_sha256"], meta["digest"]
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path / STATE} is no checkpoint of aoqlab") from error
    if _sha256(path / MODEL) != checksum:
        raise CheckpointError(f"{path / MODEL} is not the file that was written with {STATE}")
    if found != digest:
        raise CheckpointError(f"{path} belongs to a run with other settings")
    return Checkpoint(step, model, state, meta)


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            if header.get("format") != FORMAT:
                raise CheckpointError(f"{path} is no checkpoint of aoqlab")
            return {key: file.get_tensor(key) for key in file.keys()}, header  # noqa: SIM118, this is no dictionary
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing") from error
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} is truncated or damaged ({error})") from error


def _write(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
    whole = {name: t.detach().to("cpu").contiguous().clone() for name, t in tensors.items()}
    save_file(whole, path, metadata=metadata)
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def flatten(prefix: str, tensors: dict[str, Any]) -> dict[str, Tensor]:
    """Nested dictionaries of tensors as one, keys joined by dots."""
    flat: dict[str, Tensor] = {}
    for key, value in tensors.items():
        if isinstance(value, dict):
            flat |= flatten(f"{prefix}.{key}", value)
        elif isinstance(value, Tensor):
            flat[f"{prefix}.{key}"] = value
    return flat


def part(prefix: str, flat: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose keys begin with ``prefix.``, without it."""
    return {key.removeprefix(f"{prefix}."): value for key, value in flat.items() if key.startswith(f"{prefix}.")}


def optimizer_state(optimizer: torch.optim.Optimizer, names: dict[Tensor, str]) -> dict[str, Tensor]:
    """The optimizer's tensors, keyed by the names of the parameters they belong to."""
    return {
        f"optimizer.{names[parameter]}|{key}": value
        for parameter, values in optimizer.state.items()
        for key, value in values.items()
        if isinstance(value, Tensor)
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, names: dict[Tensor, str], flat: dict[str, Tensor]) -> None:
    """Undo :func:`optimizer_state`; moments take the memory layout of their parameters."""
    parameters = {name: parameter for parameter, name in names.items()}
    optimizer.state.clear()
    for key, value in part("optimizer", flat).items():
        name, _, what = key.rpartition("|")
        parameter = parameters[name]
        like = parameter if value.shape == parameter.shape and what != "step" else None
        place = (
            torch.empty_like(like) if like is not None else torch.empty_like(value, device=_home(optimizer, parameter))
        )
        optimizer.state[parameter][what] = place.copy_(value)


def _home(optimizer: torch.optim.Optimizer, parameter: Tensor) -> torch.device:
    """Adam keeps its step counters beside the parameters only when it is fused or captured."""
    group = optimizer.param_groups[0]
    return parameter.device if group.get("fused") or group.get("capturable") else torch.device("cpu")
