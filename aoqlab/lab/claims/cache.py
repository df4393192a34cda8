"""Finished runs on disk, by what they are made from: read instead of made again."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pandas as pd

from ..shared.provenance import provenance
from ..shared.store import Store

VERSION = 3
"""Part of every key: after a change to what is measured, all runs are made again."""


@dataclass(frozen=True)
class Kept:
    """What is kept of a run: its numbers, and a row per record."""

    scalars: dict[str, float]
    history: pd.DataFrame
    origin: Mapping[str, str] = field(default_factory=dict)
    """When, where and by which code it was made: ``made``, ``commit``, ``processor``, ``torch``."""


def read(folder: Path, key: str) -> Kept | None:
    """Return the run of a key, ``None`` where there is none or it is damaged."""
    entry = Store(folder).read(key)
    return None if entry is None else Kept(history=pd.read_parquet(BytesIO(entry.content)), **entry.about)


def write(folder: Path, key: str, kept: Kept) -> Kept:
    """Store a run and return it with its origin; raise ``NotWrittenError`` where that fails."""
    made = origin()
    Store(folder).write(key, kept.history.to_parquet(index=False), {"scalars": kept.scalars, "origin": made})
    return replace(kept, origin=made)


def origin() -> dict[str, str]:
    """Return when, where and by which code something is made now, as in :class:`Kept`."""
    return {"made": datetime.now(UTC).isoformat(timespec="seconds"), **_here()}


@functools.cache
def _here() -> dict[str, str]:
    """Return where this code runs; cached, as asking git takes longer than a run of the toy problem."""
    here = provenance()
    changed = "+" if here["git"]["dirty"] else ""
    commit = f"{here['git']['commit']}{changed}"
    return {"commit": commit, "processor": here["processor"], "torch": str(here["versions"]["torch"])}
