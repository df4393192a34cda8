"""A learned shift that lets an unsigned quantizer take activations with negative values."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ..arguments import check_instance
from ..ste import MIN_STEP, apply_gradient
from .base import Quantizer, spread_of, steady_sum


class _Add(torch.autograd.Function):
    """``x + sign * shift``; the gradient to the shift is summed the same way whatever the number of threads."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, shift: Tensor, sign: int) -> Tensor:
        return x + shift if sign > 0 else x - shift

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.dtype, ctx.sign = inputs[1].dtype, inputs[2]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return grad, ctx.sign * steady_sum(grad).to(ctx.dtype) if ctx.needs_input_grad[1] else None, None


class Shifted(Quantizer):
    """An unsigned quantizer moved by a learned offset: ``q(x + z) - z``.

    ``inner`` is q, such as ``LTQ(b)`` or ``LSQ(b, signed=False)``; ``shift`` is z, a parameter of shape (), in units of
    x, 0 at the start. Thresholds and levels are q's minus z. Gradients follow from q's by the chain rule:
    with ``q'`` the straight-through slope of q, ``d/dx = q'`` and ``d/dz = q' - 1``, which for LSQ is 0 inside the grid
    and -1 outside, and the parameters of q get theirs at ``x + z``. Unlike the step of LSQ, z has no gradient scale.

    :meth:`init_from` fits the grid to a batch: ``low = max(min x, mean - 3 std)``, ``high = min(max x, mean + 3 std)``,
    ``z = -low``, and the levels of q evenly over ``[0, high - low]``. Raises ``ValueError`` for an ``inner`` that is
    signed or per-channel.

    Source: LSQ+ (Bhalgat et al., CVPR Workshops 2020), where the offset is ``beta = -z``. Chosen here: LTQ inside, and
    the bounds of the start (LSQ+ minimises the squared error instead; 3 std is its rule for weights).
    """

    def __init__(self, inner: Quantizer) -> None:
        check_instance("the quantizer inside Shifted", inner, Quantizer, "a quantizer such as LTQ(2)")
        if not inner.absorbs_relu or inner.per_channel:
            raise ValueError(f"Shifted needs LTQ, LSQ(signed=False) or another unsigned quantizer inside, got {inner}")
        super().__init__(inner.bits)
        self.inner, self.clips = inner, inner.clips
        self.shift = nn.Parameter(torch.tensor(0.0))

    @torch.no_grad()
    def init_from(self, x: Tensor) -> Shifted:
        wide = self._checked(x).to(torch.promote_types(x.dtype, torch.float32))
        middle, spread = wide.mean(), 3 * wide.std(correction=0)
        low, high = torch.maximum(wide.min(), middle - spread), torch.minimum(wide.max(), middle + spread)
        n = 2**self.bits - 1
        self.inner.init_range(n * spread_of(x, (high - low) / n, "range / (2^bits - 1)", MIN_STEP))
        self._set("shift", -low)
        return self

    @property
    def learned_step(self) -> nn.Parameter | None:
        """The step that q learns."""
        return self.inner.learned_step

    def thresholds(self) -> Tensor:
        return self.inner.thresholds() - self.shift.detach()

    def levels(self) -> Tensor:
        return self.inner.levels() - self.shift.detach()

    def encode(self, x: Tensor) -> Tensor:
        return self.inner.encode(x + self.shift.detach())

    def decode(self, codes: Tensor) -> Tensor:
        return self.inner.decode(codes) - self.shift.detach()

    def decode_learned(self, codes: Tensor) -> Tensor:
        return apply_gradient(_Add, self.inner.decode_learned(codes), self.shift, -1)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.inner(apply_gradient(_Add, x, self.shift, 1))
        return apply_gradient(_Add, inner, self.shift, -1)
