"""Uniform quantization grids: where rounding switches (thresholds) and what value comes out (levels)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Integer, UInt8
from torch import Tensor

from .arguments import check_bits, check_flag, check_instance
from .kernels import native

GridKind = Literal["mid-rise", "mid-tread"]


def check_tensor(x: Tensor, what: str) -> Tensor:
    """Return ``x`` if it is a dense floating-point tensor, otherwise raise ``TypeError``."""
    check_instance(what, x, Tensor, "a floating-point tensor")
    if not x.is_floating_point():
        raise TypeError(f"{what} must be a floating-point tensor, got {x.dtype}")
    if x.layout not in (torch.strided, torch.jagged):
        raise TypeError(f"{what} must be a dense tensor, got the layout {x.layout}; to_dense() makes one")
    return x


def is_integer(x: Tensor) -> bool:
    """Return whether a tensor holds integers, which bools are not."""
    return not (x.is_floating_point() or x.is_complex() or x.is_quantized or x.dtype == torch.bool)


def check_codes(codes: Tensor, bits: int, what: str = "codes") -> Tensor:
    """Return ``codes`` if they are integers ``0 ... 2^bits - 1``, otherwise raise.

    Values are looked at on the CPU alone: elsewhere the device would have to wait.
    """
    check_instance(what, codes, Tensor, "an integer tensor")
    if not is_integer(codes):
        raise TypeError(f"{what} must be an integer tensor, got {codes.dtype}")
    if codes.is_cpu and codes.layout == torch.strided and codes.numel() and not native.watched():
        low, high = (int(end) for end in codes.aminmax())
        if low < 0 or high >= 2**bits:
            raise ValueError(f"{what} must be in 0 ... {2**bits - 1} at {bits} bits, got {low} ... {high}")
    return codes


def check_finite(x: Tensor, what: str) -> Tensor:
    """Return ``x`` if it is a non-empty floating-point tensor without NaN or infinity, otherwise raise."""
    check_tensor(x, what)
    if x.is_meta:
        raise ValueError(f"{what} is on the device meta and has no values; move the network to a real device first")
    if x.numel() == 0:
        raise ValueError(f"{what} has no elements (shape {tuple(x.shape)})")
    bad = int((~torch.isfinite(x)).sum())
    if bad:
        raise ValueError(f"{what} holds {bad} NaN or infinite values out of {x.numel()}; find their source first")
    return x


def per_row(step: Tensor, x: Tensor) -> Tensor:
    """View a per-channel ``step`` of shape (C,) so that it broadcasts over ``x`` of shape (C, ...)."""
    if step.ndim == 0:
        return step
    if x.ndim == 0 or x.shape[0] != step.shape[0]:
        raise ValueError(
            f"per-channel steps of {step.shape[0]} channels do not fit a tensor of shape {tuple(x.shape)}; "
            "init_from sets the number of channels"
        )
    return step.reshape(-1, *([1] * (x.ndim - 1)))


@dataclass(frozen=True)
class UniformGrid:
    """A uniform grid of ``2^bits`` levels with integer positions ``k = low ... high``.

    thresholds: ``step * (k + threshold_offset)`` for ``k = low + 1 ... high``;
    levels: ``step * (k + level_offset)`` for ``k = low ... high``.

    ============= ==================== ============= =================== ==============================
    grid          threshold_offset     level_offset  2 bits: thresholds  2 bits: levels (step = 1)
    ============= ==================== ============= =================== ==============================
    mid-rise      0                    1/2           -1, 0, 1            -1.5, -0.5, 0.5, 1.5
    mid-tread     -1/2                 0             -1.5, -0.5, 0.5     -2, -1, 0, 1
    ============= ==================== ============= =================== ==============================

    Thresholds and levels may use different steps: that is what "decoupled" means. A value equal to a threshold
    belongs to the level above it. Codes count levels from the lowest: ``code = k - low``.

    With equal steps every level maps to itself. For that, thresholds of a bfloat16 step are float32; the levels of an
    unsigned 8-bit grid are the exception: they reach 255 steps, where the 8 significant bits of bfloat16 merge some.
    """

    bits: int
    kind: GridKind = "mid-rise"
    signed: bool = True

    def __post_init__(self) -> None:
        check_bits(self.bits)
        if self.kind not in ("mid-rise", "mid-tread"):
            raise ValueError(f"grid must be 'mid-rise' or 'mid-tread', got {self.kind!r}")
        check_flag("signed", self.signed)

    @staticmethod
    def _at_least_float32(step: Tensor) -> Tensor:
        return step.to(torch.promote_types(step.dtype, torch.float32))

    @property
    def n_levels(self) -> int:
        return 2**self.bits

    @property
    def low(self) -> int:
        return -(2 ** (self.bits - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        return self.low + self.n_levels - 1

    @property
    def threshold_offset(self) -> float:
        return 0.0 if self.kind == "mid-rise" else -0.5

    @property
    def level_offset(self) -> float:
        return 0.5 if self.kind == "mid-rise" else 0.0

    def thresholds(self, step: Float[Tensor, "*channels"]) -> Float[Tensor, "*channels n"]:
        """Return the thresholds, ascending: shape (2^b - 1,), or (C, 2^b - 1) for a per-channel ``step`` of shape (C,).

        In the dtype of ``step``, but at least float32.
        """
        step = self._at_least_float32(step)
        k = torch.arange(self.low + 1, self.high + 1, device=step.device, dtype=step.dtype)
        return step.unsqueeze(-1) * (k + self.threshold_offset)

    def levels(self, step: Float[Tensor, "*channels"]) -> Float[Tensor, "*channels n"]:
        """Return the levels, ascending: shape (2^b,), or (C, 2^b) for a per-channel ``step`` of shape (C,)."""
        k = torch.arange(self.low, self.high + 1, device=step.device, dtype=step.dtype)
        return step.unsqueeze(-1) * (k + self.level_offset)

    def position(self, x: Float[Tensor, "*shape"], step: Tensor) -> Float[Tensor, "*shape"]:
        """Return the integer position ``k`` of every value, ``low + #{thresholds <= x}``, in the dtype of ``step``.

        One division finds ``k`` up to rounding; comparing with the two neighbouring thresholds makes it exactly the
        count above, in every mixture of dtypes. NaN goes to ``low``.
        """
        dtype, step = step.dtype, self._at_least_float32(per_row(step, x))
        toff = self.threshold_offset
        wide = torch.promote_types(x.dtype, step.dtype)
        k = torch.floor(x.to(wide) / step.to(wide) - toff).to(step.dtype)
        k = torch.where(k > self.low, k, self.low)  # comparisons, not clamp: NaN must not survive
        k = torch.where(k < self.high, k, self.high)
        # .to(wide): a 0-dimensional step would otherwise take part in no type promotion
        k = k + ((k < self.high) & (x.to(wide) >= (step * (k + (1 + toff))).to(wide))).to(k.dtype)
        return (k - ((k > self.low) & (x.to(wide) < (step * (k + toff)).to(wide))).to(k.dtype)).to(dtype)

    def encode(self, x: Float[Tensor, "*shape"], step: Tensor) -> UInt8[Tensor, "*shape"]:
        """Return codes ``0 ... 2^b - 1`` (uint8): the number of thresholds at or below each value."""
        return (self.position(x, step) - self.low).to(torch.uint8)

    def decode(self, codes: Integer[Tensor, "*shape"], step: Tensor) -> Float[Tensor, "*shape"]:
        """Return the level of every code, in the dtype of ``step``; bit for bit the entry of :meth:`levels`."""
        return per_row(step, codes) * (codes.to(step.dtype) + (self.low + self.level_offset))
