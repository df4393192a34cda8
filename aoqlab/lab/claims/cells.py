"""The cells of an experiment, a variant on a seed each: finished runs are read, the others are made and kept."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from ..shared.provenance import provenance
from ..shared.store import Store


class Tables(NamedTuple):
    """What the runs of an experiment leave."""

    runs: pd.DataFrame
    """A row per cell."""
    history: pd.DataFrame
    """A row per cell and record."""
    samples: pd.DataFrame = pd.DataFrame()
    """What single weights did, a row per run that was sampled, see :mod:`aoqlab.lab.toy.samples`."""


@dataclass(frozen=True)
class Cell:
    """A variant on a seed; cells of the same settings have the same key and share a run."""

    variant: str
    seed: int
    key: str
    config: Any
    settings: Mapping[str, Any]
    """Columns of the table of runs."""


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
    commit = here["git"]["commit"]
    changed = "+" if here["git"]["dirty"] else ""
    return {"commit": f"{commit}{changed}", "processor": here["processor"], "torch": str(here["versions"]["torch"])}


def collect(
    cells: Sequence[Cell],
    folder: Path,
    make: Callable[[Mapping[str, Any]], Iterator[tuple[str, Kept]]],
    progress: Callable[[int], object] | None = None,
    complete: Callable[[str], bool] = lambda key: True,
) -> Tables:
    """Read what ``folder`` holds, make the rest and keep it there; a row per cell, and a row per cell and record.

    ``make``: key -> configuration in; key and what is to be kept out, as soon as a run is done. ``progress`` is called
    with 1 for every cell, those that were kept at once. A kept run of which not all is ``complete`` is made again.
    """
    count = Counter(cell.key for cell in cells)
    found = {key: kept for key in count if (kept := read(folder, key)) is not None and complete(key)}
    wanted = {cell.key: cell.config for cell in cells if cell.key not in found}
    report = progress or (lambda runs: None)

    def advance(key: str) -> None:
        for _ in range(count[key]):
            report(1)

    for key in found:
        advance(key)
    for key, kept in make(wanted) if wanted else ():
        found[key] = write(folder, key, kept)
        advance(key)
    rows, histories = [], []
    for cell in cells:
        own, kept = {"variant": cell.variant, "seed": cell.seed}, found[cell.key]
        rows.append({**own, **cell.settings, **kept.scalars, **kept.origin})
        if len(kept.history):
            histories.append(kept.history.assign(**own))
    return Tables(pd.DataFrame(rows), pd.concat(histories, ignore_index=True) if histories else pd.DataFrame())
