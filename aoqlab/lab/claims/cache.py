"""Finished runs on disk, by what they are made from: read again instead of made again."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pandas as pd

from ..shared.files import write_atomic, write_frame
from ..shared.provenance import provenance

VERSION = 2
"""Part of every key: a change to what is measured makes all runs anew."""


@dataclass(frozen=True)
class Kept:
    """What is kept of a run: its numbers, and a row per record."""

    scalars: dict[str, float]
    history: pd.DataFrame
    origin: Mapping[str, str] = field(default_factory=dict)
    """When, where and by which code it was made: ``made``, ``commit``, ``processor``, ``torch``."""


def read(folder: Path, key: str) -> Kept | None:
    """``None`` where there is no such run, or what is there is damaged."""
    try:
        entry = json.loads((folder / f"{key}.json").read_text())
        table = (folder / f"{key}.parquet").read_bytes()
        scalars = {str(name): float(value) for name, value in entry["scalars"].items()}
        if entry["digest"] != _digest(scalars, table):
            return None
        return Kept(scalars, pd.read_parquet(BytesIO(table)), entry["origin"])
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return None


def write(folder: Path, key: str, kept: Kept) -> Kept:
    """The numbers last: where they are, all is. Raises ``NotWrittenError``."""
    table = write_frame(kept.history, folder / f"{key}.parquet").read_bytes()
    origin = {"made": datetime.now(UTC).isoformat(timespec="seconds"), **_here()}
    entry = {"scalars": kept.scalars, "origin": origin, "digest": _digest(kept.scalars, table)}
    write_atomic(folder / f"{key}.json", json.dumps(entry, indent=1).encode())
    return replace(kept, origin=origin)


@functools.cache
def _here() -> dict[str, str]:
    """Asking git takes longer than a run of the toy problem, and loaded code stays what it is."""
    here = provenance()
    changed = "+" if here["git"]["dirty"] else ""
    commit = f"{here['git']['commit']}{changed}"
    return {"commit": commit, "processor": here["processor"], "torch": str(here["versions"]["torch"])}


def _digest(scalars: Mapping[str, float], table: bytes) -> str:
    return hashlib.sha256(json.dumps(scalars).encode() + table).hexdigest()
