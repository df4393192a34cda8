"""Learned step size quantization: one step for thresholds and levels."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn

from ..arguments import check_flag
from ..grids import UniformGrid
from ..ste import MIN_STEP, lsq_ste
from .base import InputRule, check_rows, spread_of
from .uniform import UniformQuantizer


class LSQ(UniformQuantizer):
    """LSQ: ``w_hat = s * clip(round(w / s), -Q_N, Q_P)`` with a learned step ``s`` (parameter ``step``).

    Signed: ``Q_N = 2^(b-1)``, ``Q_P = 2^(b-1) - 1``; unsigned (activations): ``Q_N = 0``, ``Q_P = 2^b - 1``. A value
    half-way between two levels takes the upper one. :meth:`init_from` sets ``s = 2 mean|w| / sqrt(Q_P)``; until then it
    is 1. ``s`` has shape (), or (C,) with ``per_channel=True``.

    ``ds`` is multiplied by ``1 / sqrt(N Q_P)`` unless ``scale_gradient=False`` (as in the published code of AOQ). N is
    the number of elements that share the step; with ``batched=True`` (activations) the first dimension is a batch and
    does not count, so that N is the number of features of one sample and no gradient depends on how a batch is shared
    between processes. Raises ``ValueError`` where both ``per_channel`` and ``batched`` claim the first dimension.
    Source: Esser et al., ICLR 2020, section 2.2.
    """

    per_channel_state = ("step",)
    clips = True
    input_rules = ("unsigned", "shifted", "signed")

    def __init__(
        self,
        bits: int,
        signed: bool = True,
        per_channel: bool = False,
        scale_gradient: bool = True,
        batched: bool = False,
    ) -> None:
        super().__init__(bits)
        if per_channel and batched:
            raise ValueError("the first dimension is either channels or a batch; give per_channel or batched, not both")
        self.grid = UniformGrid(self.bits, "mid-tread", signed)
        self.per_channel, self.absorbs_relu = check_flag("per_channel", per_channel), not signed
        self.scale_gradient = check_flag("scale_gradient", scale_gradient)
        self.batched = check_flag("batched", batched)
        self.step = nn.Parameter(torch.ones(1) if per_channel else torch.tensor(1.0))

    @torch.no_grad()
    def init_from(self, x: Tensor) -> LSQ:
        check_rows(self._checked(x), self.per_channel)
        size = x.abs().to(torch.promote_types(x.dtype, torch.float32))
        mean = size.flatten(1).mean(1) if self.per_channel and x.ndim > 1 else size if self.per_channel else size.mean()
        self._set("step", spread_of(x, 2 * mean / math.sqrt(self.grid.high), "2 mean|x| / sqrt(Q_P)", MIN_STEP))
        return self

    @torch.no_grad()
    def init_range(self, width: Tensor) -> LSQ:
        """Spread the levels of an unsigned quantizer evenly over ``[0, width]``; width: shape (), units of x."""
        self._set("step", width / self.grid.high)
        return self

    def for_inputs(self, rule: InputRule) -> LSQ:
        """Return a copy, or one whose sign follows ``rule``; its first dimension is a batch and does not count in N."""
        signed = rule == "signed"
        same = self.grid.signed == signed
        own = copy.deepcopy(self) if same else LSQ(self.bits, signed=signed, scale_gradient=self.scale_gradient)
        own.batched = True
        return own

    @property
    def threshold_step(self) -> Tensor:
        """The step s."""
        return self.step.detach()

    @property
    def level_step(self) -> nn.Parameter:
        """The step s, with its gradient."""
        return self.step

    @property
    def learned_step(self) -> nn.Parameter:
        """The step s."""
        return self.step

    def forward(self, x: Tensor) -> Tensor:
        return lsq_ste(x, self.step, self.grid, self.gradient_scale(x))

    def gradient_scale(self, x: Tensor) -> float:
        if not self.scale_gradient:
            return 1.0
        sharing = math.prod(x.shape[1:]) if self.batched else x.numel() // self.step.numel()
        return 1 / math.sqrt(max(1, sharing) * self.grid.high)

    def extra_repr(self) -> str:
        batched = ", batched=True" if self.batched else ""
        return f"bits={self.bits}, signed={self.grid.signed}, per_channel={self.per_channel}{batched}"
