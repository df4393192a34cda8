"""Checkpoints: everything a run needs to resume, in one file of tensors and JSON, nothing that could execute.

A checkpoint is an entry (:mod:`aoqlab.lab.shared.store`) named ``checkpoint-<step>``, written whole or not at all. Its
tensors belong to the model, the optimizer, the tracker and the sums of the running epoch; counters and tables are
JSON.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..shared.files import DamagedError
from ..shared.store import read_entry, tensor_bytes, write_entry

FORMAT = "aoqlab-checkpoint-3"
KEPT = 2
"""The newest checkpoint and the one before it."""


class CheckpointError(ValueError):
    """A file is no usable checkpoint of this run; the message names it."""


class CheckpointWarning(UserWarning):
    """A checkpoint was refused and an older one is used."""


@dataclass(frozen=True)
class Checkpoint:
    """One moment of a run."""

    step: int
    tensors: dict[str, Tensor]
    meta: dict[str, Any]


def save(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint whole or not at all, then remove those before the one before it; raise ``NotWrittenError``."""
    target = folder / f"checkpoint-{checkpoint.step:08d}"
    meta = {**checkpoint.meta, "format": FORMAT, "step": checkpoint.step}
    write_entry(target, tensor_bytes(checkpoint.tensors), meta)
    # Later ones were refused when this run was resumed, and are written again.
    for old in [path for path in saved(folder) if _step(path) <= checkpoint.step and path.is_file()][KEPT:]:
        old.unlink(missing_ok=True)
    return target


def saved(folder: Path) -> list[Path]:
    """Return the checkpoints of a run folder, the newest first; other files do not count."""
    own = re.compile(r"checkpoint-([0-9]{8}|[1-9][0-9]{8,})")
    return sorted((path for path in folder.glob("checkpoint-*") if own.fullmatch(path.name)), key=_step, reverse=True)


def _step(path: Path) -> int:
    return int(path.name.rpartition("-")[2])


def load_newest(folder: Path, digest: str) -> Checkpoint | None:
    """Return the newest usable checkpoint, or ``None`` where there is none yet.

    One that is truncated, damaged or of other settings (``digest``) is refused by name with a ``CheckpointWarning`` and
    the one before it is used. Raises ``CheckpointError`` when there are checkpoints and none can be used.
    """
    refused = []
    for path in saved(folder):
        try:
            checkpoint = load(path)
            if checkpoint.meta.get("digest") != digest:
                raise CheckpointError(f"{path} belongs to a run with other settings")
        except CheckpointError as error:
            refused.append(str(error))
            continue
        for reason in refused:
            warnings.warn(f"{reason}; resuming from {path.name} instead", CheckpointWarning, stacklevel=2)
        return checkpoint
    if refused:
        raise CheckpointError(f"no checkpoint in {folder} can be used: {'; '.join(refused)}")
    return None


def load(path: Path) -> Checkpoint:
    """Read one checkpoint; raise ``CheckpointError`` if it is truncated, damaged or of another kind."""
    try:
        entry = read_entry(path)
        if entry.about.get("format") != FORMAT:
            raise CheckpointError(f"{path} is no checkpoint of this version of aoqlab")
        return Checkpoint(entry.about["step"], entry.tensors(), dict(entry.about))
    except DamagedError as error:
        raise CheckpointError(str(error)) from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror})") from error


def flatten(prefix: str, tensors: dict[str, Any]) -> dict[str, Tensor]:
    """Return nested dictionaries of tensors as one, keys joined by dots."""
    flat: dict[str, Tensor] = {}
    for key, value in tensors.items():
        if isinstance(value, dict):
            flat |= flatten(f"{prefix}.{key}", value)
        elif isinstance(value, Tensor):
            flat[f"{prefix}.{key}"] = value
    return flat


def part(prefix: str, flat: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose keys begin with ``prefix.``, without it."""
    return {key.removeprefix(f"{prefix}."): value for key, value in flat.items() if key.startswith(f"{prefix}.")}


def optimizer_state(optimizer: torch.optim.Optimizer, names: dict[Tensor, str]) -> dict[str, Tensor]:
    """Return the optimizer's tensors, keyed by the names of the parameters they belong to."""
    return {
        f"optimizer.{names[parameter]}|{key}": value
        for parameter, values in optimizer.state.items()
        for key, value in values.items()
        if isinstance(value, Tensor)
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, names: dict[Tensor, str], flat: dict[str, Tensor]) -> None:
    """Undo :func:`optimizer_state`; moments take the memory layout of their parameters.

    Step counters go where the parameters are, as a fused optimizer has them.
    """
    parameters = {name: parameter for parameter, name in names.items()}
    optimizer.state.clear()
    for key, value in part("optimizer", flat).items():
        name, _, what = key.rpartition("|")
        like = value if what == "step" else parameters[name]
        place = torch.empty_like(like, device=parameters[name].device)
        optimizer.state[parameters[name]][what] = place.copy_(value)
