"""Quantizers on a uniform grid: one step places the thresholds, one the levels."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from ..grids import UniformGrid
from ..ste import MIN_STEP, aoq_ste, decode, encode
from .base import Quantizer, decode_ste, refuse_nan


class UniformQuantizer(Quantizer):
    """A quantizer with the thresholds and levels of ``grid``, set in ``__init__``, at two steps.

    A subclass gives ``threshold_step``, ``init_from`` and ``forward``, and ``level_step`` where it is another step.
    """

    grid: UniformGrid
    coupled = True

    @property
    @abstractmethod
    def threshold_step(self) -> Tensor:
        """The distance between thresholds, without gradient."""

    @property
    def level_step(self) -> Tensor:
        """The distance between levels."""
        return self.threshold_step

    def step_for(self, x: Tensor) -> Tensor:
        return self.threshold_step

    def thresholds(self) -> Tensor:
        return self.grid.thresholds(self.threshold_step.clamp_min(MIN_STEP))

    def levels(self) -> Tensor:
        return self.grid.levels(self.level_step.detach().clamp_min(MIN_STEP))

    def encode(self, x: Tensor) -> Tensor:
        return encode(refuse_nan(x), self.step_for(x), self.grid)

    def decode(self, codes: Tensor) -> Tensor:
        return decode(codes, self.level_step, self.grid)

    def decode_learned(self, codes: Tensor) -> Tensor:
        return decode_ste(codes, self.level_step, self.grid, self.gradient_scale(codes))

    def gradient_scale(self, x: Tensor) -> float:
        """Return the factor on the gradient of the step for a tensor of this shape."""
        return 1.0

    @torch.no_grad()
    def bin_centres(self, x: Tensor) -> Tensor:
        """Return the middle of the bin of each value, ``threshold_step * (k + level_offset)``."""
        step = self.threshold_step
        return aoq_ste(x, step, step.clone(), self.grid)  # Dynamo refuses one tensor given twice
