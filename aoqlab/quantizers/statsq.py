"""StatsQ: a weight quantizer whose scale is a statistic of the weights, not learned."""

from __future__ import annotations

import torch
from torch import Tensor

from ..arguments import check_flag
from ..grids import UniformGrid, per_row
from ..ste import MIN_STEP, aoq_ste
from .base import check_rows, spread_of, steady_sum
from .uniform import UniformQuantizer


class StatsQ(UniformQuantizer):
    """Mid-rise quantizer with ``2^b`` levels whose cells fill ``[-scale, scale]``, ``scale = 2 mean|w|``.

    levels ``step * (k + 1/2)`` for ``k = -2^(b-1) ... 2^(b-1) - 1`` and thresholds ``step * k`` between them, with
    ``step = scale / 2^(b-1)``, of each output channel (shape (C,)) or of the whole tensor (``per_channel=False``, shape
    ()). Weights outside take the outer levels. No parameters: :meth:`forward` and :meth:`encode` take the scale from
    the tensor they get and keep it in the buffer ``step``, which :meth:`decode`, :meth:`levels` and :meth:`thresholds`
    use; where it is not finite (a NaN, an infinite weight) the last one stays. The gradient to the weights is 1
    everywhere; none flows through the scale.

    Source: Liu et al., ICML 2023 (Oscillation-free Quantization); formula, clipping and gradient agree with its
    published code, where a weight exactly on a threshold goes to the even neighbour, here up. The published weight
    quantizer of N2UQ (Liu et al., CVPR 2022) has the same thresholds and levels: ``2^b`` values evenly over
    ``[-g, g]``, ``g = mean|w| (2^b - 1) / 2^(b-1)``, are ``step`` apart; its gradient to the weights is ``1 / g``
    instead of 1, a factor per channel that Adam does not see.
    """

    per_channel_state = ("step",)
    step: Tensor

    def __init__(self, bits: int, per_channel: bool = True) -> None:
        super().__init__(bits)
        self.grid = UniformGrid(self.bits, "mid-rise")
        self.per_channel = check_flag("per_channel", per_channel)
        self.register_buffer("step", torch.ones(1) if per_channel else torch.tensor(1.0))

    def _statistic(self, x: Tensor) -> Tensor:
        if self.per_channel:
            wide = torch.promote_types(x.dtype, torch.float32)
            count = x.numel() // max(1, x.shape[0])
            sums = x.unsqueeze(-1).flatten(1).abs().sum(1, dtype=wide)
        else:
            count, sums = x.numel(), steady_sum(x.abs().contiguous())  # whatever the layout, the same step
        return sums * (2 / max(1, count) / 2 ** (self.bits - 1))

    @torch.no_grad()
    def init_from(self, x: Tensor) -> StatsQ:
        check_rows(self._checked(x), self.per_channel)
        self._set("step", spread_of(x, self._statistic(x), "2 mean|x| / 2^(bits - 1)", MIN_STEP))
        return self

    @torch.no_grad()
    def step_for(self, x: Tensor) -> Tensor:
        """Measure the step of a tensor, and keep it."""
        per_row(self.step, x)  # raises where channels do not fit
        if not x.is_floating_point():
            return self.step  # the caller raises
        new = self._statistic(x)
        self.step.copy_(torch.where(torch.isfinite(new), new, self.step))
        return self.step

    @property
    def threshold_step(self) -> Tensor:
        """The step of the last tensor."""
        return self.step

    def forward(self, x: Tensor) -> Tensor:
        step = self.step_for(x)
        return aoq_ste(x, step, step.clone(), self.grid)  # Dynamo refuses one tensor given twice

    def extra_repr(self) -> str:
        return f"bits={self.bits}, per_channel={self.per_channel}"
