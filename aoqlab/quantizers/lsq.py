"""Learned step size quantization: one step for thresholds and levels."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..grids import UniformGrid
from ..ste import MIN_STEP, decode, encode, lsq_ste
from .base import Quantizer, check_rows, refuse_nan, spread_of


class LSQ(Quantizer):
    """LSQ: ``w_hat = s * clip(round(w / s), -Q_N, Q_P)`` with a learned step ``s`` (parameter ``step``).

    Signed: ``Q_N = 2^(b-1)``, ``Q_P = 2^(b-1) - 1``; unsigned (activations): ``Q_N = 0``, ``Q_P = 2^b - 1``. A value
    half-way between two levels takes the upper one. :meth:`init_from` sets ``s = 2 mean|w| / sqrt(Q_P)``; until then it
    is 1. ``ds`` is multiplied by ``1 / sqrt(N Q_P)``, N being the number of elements that share the step, unless
    ``scale_gradient=False`` (as in the published code of AOQ). ``s`` has shape (), or (C,) with ``per_channel=True``.
    Source: Esser et al., ICLR 2020.
    """

    per_channel_state = ("step",)

    def __init__(self, bits: int, signed: bool = True, per_channel: bool = False, scale_gradient: bool = True) -> None:
        super().__init__(bits)
        self.grid = UniformGrid(self.bits, "mid-tread", signed)
        self.per_channel = per_channel
        self.scale_gradient = scale_gradient
        self.step = nn.Parameter(torch.ones(1) if per_channel else torch.tensor(1.0))

    @torch.no_grad()
    def init_from(self, x: Tensor) -> LSQ:
        check_rows(self._checked(x), self.per_channel)
        size = x.abs().to(torch.promote_types(x.dtype, torch.float32))
        mean = size.flatten(1).mean(1) if self.per_channel and x.ndim > 1 else size if self.per_channel else size.mean()
        self._set("step", spread_of(x, 2 * mean / math.sqrt(self.grid.high), "2 mean|x| / sqrt(Q_P)", MIN_STEP))
        return self

    def thresholds(self) -> Tensor:
        return self.grid.thresholds(self.step.detach().clamp_min(MIN_STEP))

    def levels(self) -> Tensor:
        return self.grid.levels(self.step.detach().clamp_min(MIN_STEP))

    def encode(self, x: Tensor) -> Tensor:
        return encode(refuse_nan(x), self.step, self.grid)

    def decode(self, codes: Tensor) -> Tensor:
        return decode(codes, self.step, self.grid)

    def forward(self, x: Tensor) -> Tensor:
        sharing = x.numel() // self.step.numel()
        scale = 1 / math.sqrt(max(1, sharing) * self.grid.high) if self.scale_gradient else 1.0
        return lsq_ste(x, self.step, self.grid, scale)

    def extra_repr(self) -> str:
        return f"bits={self.bits}, signed={self.grid.signed}, per_channel={self.per_channel}"
