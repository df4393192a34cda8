"""Iterative freezing: weights that oscillate too often are pinned to a level."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..arguments import check_instance, check_number
from ..schedule import StageState
from .base import Quantizer


class Freezing(Quantizer):
    """Any weight quantizer, with oscillating weights pinned to the rounded running mean of their code.

    With ``c_t`` the code of a weight at step t: ``mean_t = m c_t + (1 - m) mean_{t-1}``, starting from the first codes
    seen; m is ``momentum``. Buffers in the shape of the weights, empty until the first :meth:`track`: ``mean_code``
    (float32), ``frozen`` (bool) and ``frozen_codes`` (uint8).

    A frozen weight has the level of its frozen code, whatever the weight does: no gradient goes to the weight, that of
    the level goes to the step (``d/dstep = k`` for LSQ, with its gradient scale). Once frozen, always frozen;
    :meth:`init_from` forgets all. The others pass through ``inner``, whose thresholds and levels these are.

    Raises ``ValueError`` where shapes differ from the first codes' shape. Source: Nagel et al., ICML 2022, section
    4.2. As in its published code the mean of codes is used, not the last code, and the latent weight stays where it is.
    """

    per_weight_state = ("mean_code", "frozen", "frozen_codes")
    mean_code: Tensor
    frozen: Tensor
    frozen_codes: Tensor

    def __init__(self, inner: Quantizer, momentum: float | int = 0.01) -> None:
        check_instance("the quantizer inside Freezing", inner, Quantizer, "a quantizer such as LSQ(2)")
        check_number("momentum", momentum, "(0, 1]")
        super().__init__(inner.bits)
        self.inner, self.momentum = inner, momentum
        self.per_channel, self.coupled, self.clips = inner.per_channel, inner.coupled, inner.clips
        for name, dtype in zip(self.per_weight_state, (torch.float32, torch.bool, torch.uint8), strict=True):
            self.register_buffer(name, torch.empty(0, dtype=dtype))

    @torch.no_grad()
    def init_from(self, x: Tensor) -> Freezing:
        self.inner.init_from(x)
        self.to(x.device)
        for name in self.per_weight_state:
            self._set(name, getattr(self, name).new_empty(0))
        return self

    @torch.no_grad()
    def track(self, codes: Tensor) -> None:
        """Take the codes of one optimizer step into the running mean."""
        if not self.frozen.numel():
            self._set("mean_code", codes)
            self._set("frozen", torch.zeros_like(codes))
            self._set("frozen_codes", torch.zeros_like(codes))
        else:
            self._fits(codes, "codes")
            self.mean_code.lerp_(codes.to(self.mean_code.dtype), self.momentum)

    @torch.no_grad()
    def freeze(self, frequency: Tensor, above: float | int) -> None:
        """Pin every weight whose oscillation frequency (per step, shape of the weights) exceeds ``above``."""
        if not self.frozen.numel():
            raise ValueError("there is no running mean of codes to freeze to: call track(codes) first")
        if above == math.inf:
            return
        chosen = (self._fits(frequency, "frequencies") > above) & ~self.frozen
        self.frozen_codes.copy_(torch.where(chosen, self.mean_code.round().to(torch.uint8), self.frozen_codes))
        self.frozen.logical_or_(chosen)

    def _fits(self, x: Tensor, what: str) -> Tensor:
        if x.shape != self.frozen.shape:
            raise ValueError(
                f"{what} of shape {tuple(x.shape)} do not fit weights of shape {tuple(self.frozen.shape)}, "
                "as given to the first track(); init_from starts again"
            )
        return x

    @property
    def unwrapped(self) -> Quantizer:
        """The quantizer inside, which all weights had before any was frozen."""
        return self.inner.unwrapped

    @property
    def learned_step(self) -> nn.Parameter | None:
        """The step that the quantizer inside learns."""
        return self.inner.learned_step

    def set_stage(self, state: StageState) -> None:
        self.inner.set_stage(state)

    def bin_centres(self, x: Tensor) -> Tensor:
        return self.inner.bin_centres(x)

    def thresholds(self) -> Tensor:
        return self.inner.thresholds()

    def levels(self) -> Tensor:
        return self.inner.levels()

    def encode(self, x: Tensor) -> Tensor:
        codes = self.inner.encode(x)
        return torch.where(self.frozen, self.frozen_codes, self._fits(codes, "codes")) if self.frozen.numel() else codes

    def decode(self, codes: Tensor) -> Tensor:
        return self.inner.decode(codes)

    def decode_learned(self, codes: Tensor) -> Tensor:
        return self.inner.decode_learned(codes)

    def forward(self, x: Tensor) -> Tensor:
        out = self.inner(x)
        if not self.frozen.numel():
            return out
        pinned = self.inner.decode_learned(self.frozen_codes)
        return torch.where(self.frozen, pinned.to(out.dtype), self._fits(out, "weights"))

    def extra_repr(self) -> str:
        return f"momentum={self.momentum}"
