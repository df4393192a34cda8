"""Finished runs on disk, by what they are made from: read again instead of made again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pandas as pd

from .._files import write_atomic, write_frame

VERSION = 1
"""Part of every key: a change to what is measured makes all runs anew."""


@dataclass(frozen=True)
class Kept:
    """What is kept of a run: its numbers, and a row per record."""

    scalars: dict[str, float]
    history: pd.DataFrame


def read(folder: Path, key: str) -> Kept | None:
    """``None`` where there is no such run, or what is there is damaged."""
    try:
        entry = json.loads((folder / f"{key}.json").read_text())
        table = (folder / f"{key}.parquet").read_bytes()
        scalars = {str(name): float(value) for name, value in entry["scalars"].items()}
        if entry["digest"] != _digest(scalars, table):
            return None
        return Kept(scalars, pd.read_parquet(BytesIO(table)))
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return None


def write(folder: Path, key: str, kept: Kept) -> Kept:
    """The numbers last: where they are, all is. Raises ``NotWrittenError``."""
    table = write_frame(kept.history, folder / f"{key}.parquet").read_bytes()
    entry = {"scalars": kept.scalars, "digest": _digest(kept.scalars, table)}
    write_atomic(folder / f"{key}.json", json.dumps(entry, indent=1).encode())
    return kept


def _digest(scalars: Mapping[str, float], table: bytes) -> str:
    return hashlib.sha256(json.dumps(scalars).encode() + table).hexdigest()
