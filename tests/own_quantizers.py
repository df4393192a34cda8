"""Quantizers as a user writes them: one class each, and nothing of the package is touched."""

import torch
from torch import nn

from aoqlab.grids import UniformGrid
from aoqlab.quantizers import Quantizer, UniformQuantizer


class PACT(Quantizer):
    """Activations on ``[0, alpha]``, alpha learned: ``alpha / n * round(n / alpha * clip(x, 0, alpha))``."""

    absorbs_relu = clips = True
    input_rules = ("unsigned", "shifted")

    def __init__(self, bits):
        super().__init__(bits)
        self.n = 2**bits - 1
        self.alpha = nn.Parameter(torch.tensor(1.0))

    def init_from(self, x):
        return self.init_range(x.max())

    def init_range(self, width):
        self.alpha.data.fill_(width.item())
        return self

    def thresholds(self):
        return self.alpha.detach() / self.n * (torch.arange(self.n) + 0.5)

    def levels(self):
        return self.decode(torch.arange(self.n + 1))

    def encode(self, x):
        return torch.bucketize(x.detach().contiguous(), self.thresholds(), right=True).to(torch.uint8)

    def decode(self, codes):
        return self.alpha.detach() / self.n * codes

    def decode_learned(self, codes):
        return self.alpha / self.n * codes

    def forward(self, x):
        clipped = x.clamp(torch.zeros(()), self.alpha)
        return self.decode(self.encode(x)) + (clipped - clipped.detach())


class MaxScaled(UniformQuantizer):
    """Weights on a mid-tread grid whose step is a buffer, ``max|w| / 2^(b-1)``; gradient 1 everywhere."""

    def __init__(self, bits):
        super().__init__(bits)
        self.grid = UniformGrid(bits, "mid-tread")
        self.register_buffer("step", torch.tensor(1.0))

    @property
    def threshold_step(self):
        return self.step

    def init_from(self, x):
        self.step.fill_(x.abs().max() / 2 ** (self.bits - 1))
        return self

    def forward(self, x):
        return self.decode(self.encode(x)) + (x - x.detach())


class PowersOfTwo(Quantizer):
    """Weights on levels ``s (-1, -1/2, ..., 1/2, 1)``, s learned: no uniform grid."""

    def __init__(self, bits):
        super().__init__(bits)
        half = 0.5 ** torch.arange(2.0 ** (bits - 1))
        self.register_buffer("unit", torch.cat([-half, half.flip(0)]))
        self.scale = nn.Parameter(torch.tensor(1.0))

    @property
    def learned_step(self):
        return self.scale

    def init_from(self, x):
        self.scale.data.fill_(x.detach().abs().max())
        return self

    def levels(self):
        return self.scale.detach() * self.unit

    def thresholds(self):
        return (self.levels()[1:] + self.levels()[:-1]) / 2

    def encode(self, x):
        return torch.bucketize(x.detach().contiguous(), self.thresholds(), right=True).to(torch.uint8)

    def decode(self, codes):
        return self.levels()[codes.long()]

    def decode_learned(self, codes):
        return self.scale * self.unit[codes.long()]

    def forward(self, x):
        return self.decode_learned(self.encode(x)) + (x - x.detach())
