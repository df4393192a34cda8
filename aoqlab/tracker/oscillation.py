"""Oscillation tracker: how quantized weights move during training, per weight, per layer and over time."""

from __future__ import annotations

import math
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from .counting import SINGLE, STATISTICS, CodeCounter
from .eager import MASK_BITS

if TYPE_CHECKING:
    import pandas as pd


class OscillationTracker(CodeCounter):
    """Count crossings, oscillations and exploration of the integer codes of one layer or of many.

    Feed it codes once per optimizer step with :meth:`update`; the first call sets the start. With ``code_t`` the code
    of a weight at step t:

    * ``crossings`` (int32): ``sum_t |code_t - code_{t-1}|``, thresholds crossed;
    * ``oscillations`` (int32): number of changes opposite in direction to the weight's previous change;
    * ``frequency`` (float32): ``f_t = m o_t + (1 - m) f_{t-1}``, ``o_t`` = 1 where the weight oscillated at step t;
    * ``levels_visited`` (int16): how many levels; ``visited`` is the bit mask (bit i = level i), up to 4 bits. Above,
      the mask would exceed the memory budget: the lowest and highest level are kept and all between count as visited,
      which is the same unless a weight jumps over a level;
    * ``initial``, ``current`` (uint8): codes at the start and now.

    Per layer: ``level_histogram`` (L, 2^b), ``transitions`` (L, 2^b, 2^b; from, to; staying is not counted), Hamming
    distance to the start (now and its maximum), distinct configurations seen (by 64-bit hash), and the explored
    log-volume ``sum_i log2(levels visited by i) / (N b)`` in [0, 1].

    Per-weight results have the shape of the layer and are live (clone them to keep a moment): a tensor for a tracker
    made from one shape, a dictionary for one made
    from a mapping. All state is in ``state_dict``. In eval mode nothing counts. Memory: 16 bytes per weight, and 8
    bytes per layer and distinct configuration (``count_configurations=False`` does without).

    ``record_every=n`` keeps a history: the statistics and level histograms of every layer at every n-th update.
    :meth:`close_period` parts the transitions by time (epochs, stages), at 24 bytes per period, layer and pair of codes
    that occurred.

    Raises ``ValueError`` for bits outside 2 to 8, codes out of range, wrong shapes or layer names. Source of
    oscillation and frequency: Nagel et al., ICML 2022; of the explored volume: this project.
    """

    def _view(self, flat: Tensor) -> Any:
        parts = {
            name: part.view(size)
            for (name, size), part in zip(self.shapes.items(), flat.split(self._sizes), strict=True)
        }
        return parts[SINGLE] if self.single else parts

    @property
    def crossings(self) -> Any:
        return self._view(self._crossings)

    @property
    def oscillations(self) -> Any:
        return self._view(self._oscillations)

    @property
    def frequency(self) -> Any:
        return self._view(self._frequency_bits.view(torch.float32).abs())

    @property
    def initial(self) -> Any:
        return self._view(self._initial)

    @property
    def current(self) -> Any:
        return self._view(self._current)

    @property
    def visited(self) -> Any:
        """Bit mask of visited levels (int16, bit i = level i). Up to 4 bits only; see :attr:`levels_visited`."""
        if self.bits > MASK_BITS:
            raise ValueError(f"the exact mask of visited levels is kept up to {MASK_BITS} bits, not at {self.bits}")
        return self._view(self._visited)

    @property
    def levels_visited(self) -> Any:
        return self._view(self._levels_visited())

    def _levels_visited(self) -> Tensor:
        if self.bits > MASK_BITS:
            return self._highest.to(torch.int16) - self._lowest.to(torch.int16) + 1
        counts = torch.tensor([bin(i).count("1") for i in range(256)], dtype=torch.int16, device=self._visited.device)
        mask = self._visited.to(torch.int32)
        return counts[mask & 255] + counts[(mask >> 8) & 255]

    def _layer_sums(self, flat: Tensor) -> Tensor:
        kind = torch.float64 if flat.is_floating_point() else torch.int64
        if len(set(self._sizes)) == 1:
            return flat.view(len(self._sizes), -1).sum(1, dtype=kind).double().cpu()
        return torch.stack([part.sum(dtype=kind) for part in flat.split(self._sizes)]).double().cpu()

    def _layer_statistics(self) -> Tensor:
        """Return the statistics of all layers, (L, len(STATISTICS)), float64 on the CPU."""
        n = torch.tensor(self._sizes, dtype=torch.float64)
        moves = max(1, self._steps - 1)
        visited = self._levels_visited()
        crossings, oscillations = self._layer_sums(self._crossings), self._layer_sums(self._oscillations)
        frequency = self._frequency_bits.view(torch.float32).abs()
        columns = (
            n,
            crossings,
            crossings / n / moves,
            oscillations,
            oscillations / n / moves,
            self._layer_sums(frequency > self.oscillating_above) / n,
            self._layer_sums(self._crossings > 0) / n,
            self._hamming.double().cpu(),
            self._hamming.double().cpu() / n,
            self._hamming_max.double().cpu() / n,
            self._layer_sums(visited) / n,
            self._layer_sums(visited.clamp_min(1).float().log2()) / (n * self.bits),  # 0 visited before the start
        )
        return torch.stack(columns, 1)

    def summary(self) -> dict[str, float]:
        """Return all statistics over all layers. ``hamming_max_share`` is the sum of each layer's own maximum."""
        layers = self._layer_statistics()
        n, total = layers[:, 0], layers.sum(0)
        result = {"steps": float(self._steps)}
        for column, name in enumerate(STATISTICS):
            summed = name in ("weights", "crossings", "oscillations", "hamming")
            result[name] = float(total[column] if summed else (layers[:, column] * n).sum() / n.sum())
        if self.count_configurations:
            result["distinct_configurations"] = float(self.distinct_configurations()[1])
        return result

    def to_frame(self) -> pd.DataFrame:
        """Return one row per layer: ``layer``, ``steps`` and all statistics."""
        import pandas as pd

        frame = pd.DataFrame(self._layer_statistics().numpy(), columns=list(STATISTICS))
        frame.insert(0, "layer", list(self.shapes))
        frame.insert(1, "steps", self._steps)
        if self.count_configurations:
            frame["distinct_configurations"] = self.distinct_configurations()[0].numpy()
        return frame

    def _record(self) -> None:
        def append(name: str, row: Tensor) -> None:
            old = getattr(self, name)
            setattr(self, name, torch.cat([old, row.to(old.device).unsqueeze(0)]))

        append("_record_steps", self.steps - 1)
        append("_records", self._layer_statistics().view(torch.int64))
        append("_record_levels", self.level_histogram)

    def history_frame(self) -> pd.DataFrame:
        """Return the tidy history: a row per recorded step and layer with all statistics. Step 0 is the start."""
        import pandas as pd

        steps, layers = self._record_steps.cpu().numpy(), list(self.shapes)
        values = self._records.cpu().view(torch.float64).reshape(-1, len(STATISTICS)).numpy()
        frame = pd.DataFrame(values, columns=list(STATISTICS))
        frame.insert(0, "step", steps.repeat(len(layers)))
        frame.insert(1, "layer", layers * len(steps))
        return frame

    def level_frame(self) -> pd.DataFrame:
        """Return tidy level histograms: a row per recorded step, layer and level with ``count`` and ``share``."""
        import pandas as pd

        counts = self._record_levels.cpu().double()
        index = pd.MultiIndex.from_product(
            [self._record_steps.cpu().tolist(), list(self.shapes), range(2**self.bits)],
            names=["step", "layer", "level"],
        )
        share = counts / counts.sum(-1, keepdim=True).clamp_min(1)
        return pd.DataFrame(
            {"count": counts.long().flatten().numpy(), "share": share.flatten().numpy()}, index
        ).reset_index()

    @torch.no_grad()
    def close_period(self) -> None:
        """Keep the transitions since the last call (or the start) as one period's, and begin the next period."""
        self._period_transitions = torch.cat([self._period_transitions, self._open_period()])
        self._periods += 1

    def _open_period(self) -> Tensor:
        """Return rows (period, place, count) of what no period holds yet."""
        _, places, counts = self._period_transitions.unbind(1)
        left = self.transitions.flatten().index_add(0, places, -counts)
        place = left.nonzero().flatten()
        return torch.stack([(self._periods + 1).expand_as(place), place, left[place]], 1)

    def transition_frame(self) -> pd.DataFrame:
        """Return tidy transitions from the start to now: a row per period, layer and pair of codes passed in it.

        Columns ``period`` (1 is the first; what comes after the last closed one is of the next), ``layer``, ``from``,
        ``to`` (codes) and ``count`` (at least 1; over weights and updates); integers are int64.
        """
        import pandas as pd

        rows = torch.cat([self._period_transitions, self._open_period()]).cpu().numpy()
        period, place, count = rows.T
        layer, before, after = np.unravel_index(place, tuple(self.transitions.shape))
        names = pd.Index(list(self.shapes)).take(layer)
        return pd.DataFrame({"period": period, "layer": names, "from": before, "to": after, "count": count})

    def save_history(self, folder: str | Path) -> tuple[Path, Path]:
        """Write ``history.parquet`` and ``levels.parquet`` (each whole or not at all) into ``folder``."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        paths = folder / "history.parquet", folder / "levels.parquet"
        _write_parquet(self.history_frame(), paths[0])
        _write_parquet(self.level_frame(), paths[1])
        return paths

    def extra_repr(self) -> str:
        weights = sum(self._sizes)
        return f"bits={self.bits}, layers={len(self._sizes)}, weights={weights}, steps={self._steps}"


def _write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Write a table whole or not at all."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}")
    try:
        frame.to_parquet(temporary, index=False)
        os.replace(temporary, path)
    except ImportError as error:
        raise ImportError("save_history writes parquet files, which needs pyarrow: pip install pyarrow") from error
    finally:
        temporary.unlink(missing_ok=True)


def bytes_per_weight(tracker: OscillationTracker) -> float:
    """Return the memory of the per-weight state in bytes per weight."""
    weights = math.prod(tracker._current.shape)
    per_weight = [b for b in tracker.buffers() if b.ndim == 1 and len(b) == weights]
    return sum(b.numel() * b.element_size() for b in per_weight) / weights
