"""The LTQ activation quantizer of N2UQ: learned, non-uniform thresholds and uniform levels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..grids import UniformGrid
from ..ste import MIN_BIN_WIDTH, MIN_STEP, ltq_edges, ltq_encode, ltq_gste
from .base import Quantizer, decode_ste, refuse_nan


class LTQ(Quantizer):
    """Non-uniform-to-uniform quantizer, unsigned: ``v * delta * #{i : u x > T_{i-1} + a_i / 2}``, ``delta = 2 / n``.

    Parameters: ``bin_widths`` a, shape (n,), ``n = 2^b - 1``, all 2/n at the start; ``input_scale`` u = 1 and
    ``output_scale`` v = 2, shape (). A value equal to a threshold stays below it (the inequality is strict, as in the
    paper). Gradients: generalised straight-through estimator, see :func:`aoqlab.ste.ltq_gste`. :meth:`init_from` checks
    the tensor and restores the published start, which does not depend on the data. Source: Liu et al., CVPR 2022.
    """

    clips = True
    absorbs_relu = True
    input_rules = ("unsigned", "shifted")

    def __init__(self, bits: int) -> None:
        super().__init__(bits)
        n = 2**self.bits - 1
        self.bin_widths = nn.Parameter(torch.full((n,), 2 / n))
        self.input_scale = nn.Parameter(torch.tensor(1.0))
        self.output_scale = nn.Parameter(torch.tensor(2.0))

    @torch.no_grad()
    def init_from(self, x: Tensor) -> LTQ:
        self._checked(x)
        self.bin_widths.fill_(2 / self.bin_widths.numel())
        self.input_scale.fill_(1.0)
        self.output_scale.fill_(2.0)
        return self

    @torch.no_grad()
    def init_range(self, width: Tensor) -> LTQ:
        """Equal bins over ``[0, width]`` and levels evenly over the same: ``u = 2 / width``, ``v = width / 2``."""
        self.bin_widths.fill_(2 / self.bin_widths.numel())
        self._set("input_scale", 2 / width)
        self._set("output_scale", width / 2)
        return self

    def thresholds(self) -> Tensor:
        widths = self.bin_widths.detach().clamp_min(MIN_BIN_WIDTH)
        return ltq_edges(widths)[1] / self.input_scale.detach().clamp_min(MIN_STEP)

    def levels(self) -> Tensor:
        return self.decode(torch.arange(2**self.bits, device=self.bin_widths.device))

    def encode(self, x: Tensor) -> Tensor:
        return ltq_encode(refuse_nan(x), self.bin_widths, self.input_scale)

    def decode(self, codes: Tensor) -> Tensor:
        unit = self.output_scale.detach().clamp_min(MIN_STEP) * (2 / self.bin_widths.numel())
        return unit * codes.to(unit.dtype)

    def decode_learned(self, codes: Tensor) -> Tensor:
        unit = self.output_scale * (2 / self.bin_widths.numel())
        return decode_ste(codes, unit, UniformGrid(self.bits, "mid-tread", signed=False))

    def forward(self, x: Tensor) -> Tensor:
        return ltq_gste(x, self.bin_widths, self.input_scale, self.output_scale)
