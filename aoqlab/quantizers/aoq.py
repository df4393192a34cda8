"""The AOQ weight quantizer: thresholds and levels with intervals of their own."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..arguments import check_flag
from ..grids import GridKind, UniformGrid
from ..schedule import StageState
from ..ste import MIN_STEP, aoq_ste
from .base import check_rows, spread_of
from .uniform import UniformQuantizer


class AOQ(UniformQuantizer):
    """Decoupled uniform quantizer (``grid="mid-rise"``, as published; ``"mid-tread"`` as in the toy regression).

    thresholds ``shrink * s_th * k`` and levels ``shrink * s_le * (k + 1/2)`` (mid-tread: ``k - 1/2`` and ``k``), with

    * ``threshold_interval`` s_th: buffer, in units of the weights, shape () or (C,) per channel;
    * ``level_interval`` s_le: parameter, same shape; ``d w_hat / d s_le = shrink * (k + 1/2)``;
    * ``shrink`` alpha: buffer, shape (), dimensionless.

    :meth:`init_from` sets both intervals to ``sigma / 2^(b-2)``, sigma being the standard deviation of the weights (of
    each output channel with ``per_channel=True``). Until then they are 1. The gradient to the weights is 1 everywhere,
    also outside the grid.

    ``coupled=True`` is the ablation without decoupling: thresholds are at ``shrink * s_le * k``, so that they follow
    the learned level interval, while all gradients stay as above (``threshold_interval`` keeps its start, unused).

    Raises ``ValueError`` for bits outside 2 to 8. Source: Xie et al., ICCV 2025.
    """

    per_channel_state = ("threshold_interval", "level_interval")
    threshold_interval: Tensor
    shrink: Tensor

    def __init__(
        self, bits: int, grid: GridKind = "mid-rise", per_channel: bool = False, coupled: bool = False
    ) -> None:
        super().__init__(bits)
        self.coupled = check_flag("coupled", coupled)
        self.grid = UniformGrid(self.bits, grid)
        self.per_channel = check_flag("per_channel", per_channel)
        unit = torch.ones(1) if per_channel else torch.tensor(1.0)
        self.register_buffer("threshold_interval", unit.clone())
        self.register_buffer("shrink", torch.tensor(1.0))
        self.level_interval = nn.Parameter(unit)

    @torch.no_grad()
    def init_from(self, x: Tensor) -> AOQ:
        check_rows(self._checked(x), self.per_channel)
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        # A single value has no spread: correction 0 turns NaN into 0, which spread_of reports.
        sigma = wide.flatten(1).std(1) if self.per_channel and x[0].numel() > 1 else wide.std(correction=x.numel() > 1)
        interval = spread_of(x, sigma / 2 ** (self.bits - 2), "standard deviation / 2^(bits - 2)", MIN_STEP)
        if self.per_channel and interval.ndim == 0:
            interval = interval.expand(x.shape[0])
        self._set("threshold_interval", interval)
        self._set("level_interval", interval)
        return self

    def set_stage(self, state: StageState) -> None:
        """Take over the shrink factor of a moment of the schedule, and whether the levels learn."""
        self.shrink.fill_(state.shrink)
        self.level_interval.requires_grad_(state.levels_learn)

    @property
    def threshold_step(self) -> Tensor:
        """``shrink * s_th``, the distance between thresholds (``shrink * s_le`` where coupled)."""
        return self.shrink * (self.level_interval.detach() if self.coupled else self.threshold_interval)

    @property
    def level_step(self) -> Tensor:
        """``shrink * s_le``, the distance between levels."""
        return self.shrink * self.level_interval

    @property
    def learned_step(self) -> nn.Parameter:
        """The level interval s_le, before shrinking."""
        return self.level_interval

    def forward(self, x: Tensor) -> Tensor:
        return aoq_ste(x, self.threshold_step, self.level_step, self.grid)

    def extra_repr(self) -> str:
        coupled = ", coupled=True" if self.coupled else ""
        return f"bits={self.bits}, grid={self.grid.kind!r}, per_channel={self.per_channel}{coupled}"
