"""How learned step sizes move: one number per layer and step in, a row per layer and epoch out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ...quantizers import Quantizer

COLUMNS = (
    "interval",
    "movement",
    "detrended_movement",
    "reversal_rate",
    "lag1_correlation",
)


class IntervalRecorder:
    """Collect the learned step sizes of all layers after every step, and sum an epoch up.

    Per layer and epoch, with s_t the step size (mean over channels) and D_t = s_t - s_{t-1}:

    * ``interval``: s at the end of the epoch;
    * ``movement``: sum |D_t| / mean |s|, the total variation as a share of the value;
    * ``detrended_movement``: sum |D_t - mean D| / mean |s|, so that a steady widening counts as none;
    * ``reversal_rate``: share of steps at which D changes its sign, among those where it moves at all;
    * ``lag1_correlation``: correlation of D_t with D_{t-1}; negative where steps take back what the last one did.
    """

    def __init__(self, quantizers: Mapping[str, Quantizer]) -> None:
        found = {name: q.learned_step for name, q in quantizers.items()}
        self.parameters = {name: p for name, p in found.items() if p is not None}
        self.buffer: list[Tensor] = []
        self.rows: list[dict[str, Any]] = []
        self.record()

    @torch.no_grad()
    def record(self) -> None:
        """Look at all step sizes; once before training and once after every step."""
        if self.parameters:
            values = [p.detach() if p.ndim == 0 else p.detach().mean() for p in self.parameters.values()]
            self.buffer.append(torch.stack(values))

    def close_epoch(self, epoch: int) -> None:
        """Sum up what was recorded since the last call; the last value is the first of the next epoch."""
        if self.parameters:
            series = torch.stack(self.buffer).double().cpu()
            statistics = summarise(series)
            for i, layer in enumerate(self.parameters):
                self.rows.append({"epoch": epoch, "layer": layer, **{k: float(v[i]) for k, v in statistics.items()}})
            self.buffer = self.buffer[-1:]

    def state(self) -> Tensor:
        """Return the running epoch, for a checkpoint."""
        return torch.stack(self.buffer) if self.buffer else torch.zeros(0, 0)

    def restore(self, running: Tensor, rows: Sequence[dict[str, Any]]) -> None:
        """Undo :meth:`state`."""
        device = next(iter(self.parameters.values())).device if self.parameters else running.device
        self.buffer = list(running.to(device)) if self.parameters else []
        self.rows = list(rows)


def summarise(series: Tensor) -> dict[str, Tensor]:
    """Return the statistics of :class:`IntervalRecorder` of step sizes (T + 1, L) after 0 ... T steps: name -> (L,)."""
    moves = series.diff(dim=0)
    size = series.abs().mean(0).clamp_min(1e-30)
    trend = moves.mean(0) if len(moves) else torch.zeros_like(size)
    still = moves[moves.abs().sum(1) > 0] if len(moves) else moves
    turned = (still[1:] * still[:-1] < 0).double().mean(0) if len(still) > 1 else torch.zeros_like(size)
    centred = moves - trend
    spread = centred.square().sum(0)
    lagged = (centred[1:] * centred[:-1]).sum(0)
    return {
        "interval": series[-1],
        "movement": moves.abs().sum(0) / size,
        "detrended_movement": centred.abs().sum(0) / size,
        "reversal_rate": turned,
        "lag1_correlation": torch.where(spread > 0, lagged / spread.clamp_min(1e-300), torch.zeros_like(spread)),
    }
