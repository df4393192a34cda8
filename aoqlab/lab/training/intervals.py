"""How learned step sizes move: one number per layer and step in, a row per layer and epoch out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ...quantizers import Quantizer
from ...tracker.step_sizes import movement


class IntervalRecorder:
    """Collect the learned step sizes (mean over channels) of all layers after every step.

    An epoch is summed up by :func:`aoqlab.tracker.step_sizes.movement`.
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
            statistics = movement(series)
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
