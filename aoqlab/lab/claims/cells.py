"""The cells of an experiment, a variant on a seed each: finished runs are read, the others are made and kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from . import cache
from .cache import Kept


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
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Columns of the table of runs."""


Make = Callable[[Mapping[str, Any]], Iterator[tuple[str, Kept]]]
"""Key -> configuration in; key and what is to be kept out, as soon as a run is done."""


def collect(
    cells: Sequence[Cell],
    folder: Path,
    make: Make,
    progress: Callable[[int], object] | None = None,
    complete: Callable[[str], bool] = lambda key: True,
) -> Tables:
    """Read what ``folder`` holds, make the rest and keep it there; a row per cell, and a row per cell and record.

    ``progress`` is called with 1 for every cell, those that were kept at once. A kept run of which not all is
    ``complete`` is made again.
    """
    report = progress or (lambda runs: None)
    count = Counter(cell.key for cell in cells)
    found = {key: kept for key in count if (kept := cache.read(folder, key)) is not None and complete(key)}

    def advance(key: str) -> None:
        for _ in range(count[key]):
            report(1)

    for key in found:
        advance(key)
    wanted = {cell.key: cell.config for cell in cells if cell.key not in found}
    for key, kept in make(wanted) if wanted else ():
        found[key] = cache.write(folder, key, kept)
        advance(key)
    rows, histories = [], []
    for cell in cells:
        own, kept = {"variant": cell.variant, "seed": cell.seed}, found[cell.key]
        rows.append({**own, **cell.settings, **kept.scalars, **kept.origin})
        if len(kept.history):
            histories.append(kept.history.assign(**own))
    return Tables(pd.DataFrame(rows), pd.concat(histories, ignore_index=True) if histories else pd.DataFrame())
