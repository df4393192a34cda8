"""Trainings over time as the run explorer draws them: every layer at the end of every epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ...training import stored
from ..base import packed
from .sources import Source

WHOLE = "all layers"
OSCILLATING_ABOVE = 0.005
"""The frequency per step above which the tracker calls a weight oscillating; training keeps its default."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Course:
    """A run at the end of epochs 0 (the start) to E; L layers, ``WHOLE`` first, and n levels.

    Of the tracker, the last record up to the end of an epoch counts (``steps``, in optimizer steps): ``shares`` of
    weights per level; ``oscillating``, the share with a frequency above the tracker's limit; ``rate``, crossings per
    weight and optimizer step since the record of the epoch before; ``crossed``, crossings per weight so far. Codes were
    looked at every ``every`` optimizer steps, and no crossing in between was seen. ``intervals``: step sizes. Unknown
    numbers are NaN. ``transitions``: how often weights went from a code to another, a row per layer and epoch (``l (E +
    1) + e``) and a column per pair (``from n + to``), where a table keeps them; a move counts in the epoch in which it
    was seen, its last step included, and in epoch 0, the start, there are none. Sparse, for at 8 bits hardly any of
    65,536 pairs occurs.
    """

    layers: list[str]
    weights: Floats  # (L,)
    steps: NDArray[np.int64]  # (E + 1,)
    shares: Floats  # (L, E + 1, n)
    oscillating: Floats  # (L, E + 1)
    rate: Floats  # (L, E + 1)
    crossed: Floats  # (L, E + 1)
    intervals: Floats  # (L, E + 1)
    accuracy: Floats  # (E + 1,), share of test images
    loss: Floats  # (E + 1,), mean over the epoch, on training images
    volume: Floats  # (E + 1,), explored share of the log-volume
    start_accuracy: float  # in full precision
    stages: list[tuple[int, int, str]]
    transitions: csr_array | None  # (L (E + 1), n n)
    every: int = 1

    @property
    def epochs(self) -> int:
        return len(self.steps) - 1

    def moves(self, layer: int, epoch: int) -> NDArray[np.int64]:
        """Return the transitions of an epoch: counts (n, n), from and to."""
        codes = self.shares.shape[2]
        return self._transitions_in(layer, epoch, epoch + 1).toarray().reshape(codes, codes)

    def ever_moved(self, layer: int) -> NDArray[np.int64]:
        """Return all counts of a layer that are not 0, in any epoch."""
        return self._transitions_in(layer, 0, self.epochs + 1).data

    def _transitions_in(self, layer: int, first: int, end: int) -> csr_array:
        assert self.transitions is not None
        row = layer * (self.epochs + 1)
        return self.transitions[row + first : row + end]

    def message(self) -> dict[str, Any]:
        """Return what the browser needs: arrays as bytes of float32, seven digits."""
        arrays = {name: packed(getattr(self, name)) for name in _PER_LAYER + _PER_RUN}
        if (moves := self.transitions) is not None:  # bounds may be too large for exact float32
            arrays |= {"bounds": packed(moves.indptr, "float64"), "places": packed(moves.indices)}
            arrays["counts"] = packed(moves.data)
        return {
            **arrays,
            "start": None if np.isnan(self.start_accuracy) else self.start_accuracy,
            "layers": self.layers,
            "weights": self.weights.astype(int).tolist(),
            "steps": self.steps.tolist(),
            "stages": self.stages,
            "every": self.every,
        }


def course_of(source: Source) -> Course:
    """Read the tables of a run. Raises ``ValueError`` where its codes were not followed."""
    history, metrics = source.table("history"), source.table("metrics")
    if history.empty or metrics.empty:
        raise ValueError(f"the run {source.run!r} has no history of its codes: its first epoch is not over")
    records = np.unique(history["step"].to_numpy())
    ends = np.concatenate([[0], metrics["step"].to_numpy()])
    when = np.minimum(records * source.settings["track_every"], ends[-1])
    at = stored.epoch_records(when, ends)
    layers = list(dict.fromkeys(history["layer"]))
    of = {
        name: history.pivot(index="layer", columns="step", values=name).loc[layers].to_numpy(np.float64)
        for name in _TAKEN
    }
    weights = of["weights"][:, 0]
    crossings = _with_sum(of["crossings"])[:, at] / _with_sum(weights)[:, None]
    total = weights.sum()
    oscillating = np.concatenate([(weights @ of["oscillating_share"])[None] / total, of["oscillating_share"]])[:, at]
    return Course(
        layers=[WHOLE, *layers],
        weights=_with_sum(weights),
        steps=when[at],
        shares=_shares(source.table("levels"), layers, records[at], source.settings["bits"]),
        oscillating=oscillating,
        rate=_rate(crossings, when[at]),
        crossed=crossings,
        intervals=_intervals(source.table("intervals"), layers, len(metrics)),
        accuracy=_over_epochs(metrics, "test_accuracy"),
        loss=_over_epochs(metrics, "train_loss"),
        volume=_over_epochs(metrics, "explored_volume", start=0.0),
        start_accuracy=np.nan if source.start_accuracy is None else source.start_accuracy,
        stages=_stages(metrics),
        transitions=_transitions(source, layers, len(metrics), moved=bool(of["crossings"].any())),
        every=source.settings["track_every"],
    )


_TAKEN = ("weights", "crossings", "oscillating_share")
_PER_LAYER = ("shares", "oscillating", "rate", "crossed", "intervals")
_PER_RUN = ("accuracy", "loss", "volume")


def _over_epochs(metrics: pd.DataFrame, name: str, start: float = np.nan) -> Floats:
    return np.concatenate([[start], metrics[name].to_numpy(np.float64)])


def _with_sum(values: Floats) -> Floats:
    return np.concatenate([values.sum(0, keepdims=True), values])


def _rate(crossed: Floats, steps: NDArray[np.int64]) -> Floats:
    """Crossings per weight and optimizer step since the last earlier record; NaN where there is none."""
    before = np.searchsorted(steps, steps) - 1
    return (crossed - crossed[:, before]) / np.where(before < 0, np.nan, steps - steps[before])


def _shares(levels: pd.DataFrame, layers: list[str], records: NDArray[np.int64], bits: int) -> Floats:
    counts = levels.pivot(index=["layer", "step"], columns="level", values="count")
    places = pd.MultiIndex.from_product([layers, records])
    counts = counts.reindex(index=places, columns=range(2**bits)).fillna(0).to_numpy(np.float64)
    counts = _with_sum(counts.reshape(len(layers), len(records), -1))
    return counts / counts.sum(2, keepdims=True)


def _intervals(table: pd.DataFrame, layers: list[str], epochs: int) -> Floats:
    values = np.full((1 + len(layers), 1 + epochs), np.nan)
    if len(table):
        rows = 1 + pd.Index(layers).get_indexer(table["layer"])
        values[rows, table["epoch"].to_numpy()] = table["interval"].to_numpy()
    return values


def _stages(metrics: pd.DataFrame) -> list[tuple[int, int, str]]:
    """First and last epoch and name; a stage ends where the next one begins."""
    if "stage" not in metrics or metrics["stage"].isna().any():
        return []
    names = metrics["stage"].tolist()
    starts = [i for i, name in enumerate(names) if i == 0 or names[i - 1] != name]
    return [(a, b, names[a]) for a, b in zip(starts, [*starts[1:], len(names)], strict=True)]


def _transitions(source: Source, layers: list[str], epochs: int, *, moved: bool) -> csr_array | None:
    """Count in complete epochs; ``None`` where none are kept: rows would be missing although codes ``moved``."""
    table, codes = source.table("transitions"), 2 ** source.settings["bits"]
    if "epoch" not in table or (table.empty and moved):
        return None
    table = table[table["epoch"] <= epochs]  # training may have gone further than the metrics
    layer = 1 + pd.Index(layers).get_indexer(table["layer"])
    epoch, before, after, count = (table[c].to_numpy(np.int64) for c in ("epoch", "from", "to", "count"))
    cells = np.concatenate([epoch, layer * (epochs + 1) + epoch])  # all layers together, and each
    pairs = np.tile(before * codes + after, 2)
    return csr_array((np.tile(count, 2), (cells, pairs)), shape=((len(layers) + 1) * (epochs + 1), codes**2))
