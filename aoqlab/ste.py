"""Fake quantization with straight-through gradients: pure functions, each with a compiled and an eager path.

A name ending in ``_ste`` says that the gradient is not the derivative of the value. Both paths give the same values bit
for bit; the sums behind the step gradients agree to rounding.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .grids import UniformGrid, check_tensor, per_row
from .kernels import native

MIN_STEP = 1e-12
"""Steps and intervals act as at least this (gradients still pass), so that none can reach zero or turn negative."""
MIN_BIN_WIDTH = 1e-6
SLOTS = 4096
"""Partial sums per bin of a large tensor where the compiled kernels are not."""


def _rows(x: Tensor, step: Tensor) -> tuple[int, int]:
    return (1, x.numel()) if step.ndim == 0 else (step.shape[0], x.numel() // max(1, step.shape[0]))


def _dense(x: Tensor) -> Tensor:
    """Return ``x`` with its values in one dense block; rows of the first dimension stay whole in either layout."""
    if x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last):
        return x
    return x.contiguous()


def _like(grad: Tensor, x: Tensor) -> Tensor:
    """Return ``grad`` laid out as ``x``, which is dense (gradients of sums arrive expanded, with stride 0)."""
    if grad.stride() == x.stride() or (grad.is_contiguous() and x.is_contiguous()):  # strides of size 1 do not matter
        return grad
    return torch.empty_like(x, dtype=grad.dtype).copy_(grad)


def _row_sizes(x: Tensor, step: Tensor) -> list[int]:
    per_row(step, x)  # raises where channels do not fit
    rows, cols = _rows(x, step)
    return [cols] * rows


def _grid_arguments(grid: UniformGrid) -> tuple[float, float, int, int]:
    return (grid.threshold_offset, grid.level_offset, grid.low, grid.high)


def _reduce_to(sums: Tensor, step: Tensor) -> Tensor:
    """Sum ``sums`` over everything but the rows of ``step``."""
    return sums.sum() if step.ndim == 0 else sums.unsqueeze(-1).flatten(1).sum(1)


def apply_gradient(function: type[torch.autograd.Function], *inputs: Any) -> Any:
    """Apply a function with a gradient of its own; to a tracer show the operations it consists of."""
    return function.forward(*inputs) if native.tracing() else function.apply(*inputs)


def _native_uniform(
    x: Tensor,
    threshold_step: Tensor,
    level_step: Tensor,
    grid: UniformGrid,
    values: Tensor | None,
    codes: Tensor | None,
) -> None:
    """Fill ``values`` and ``codes``, laid out as ``x``, which is dense. Steps may be one or one per row, each."""
    per_channel = threshold_step if threshold_step.ndim else level_step
    per_row(per_channel, x)  # raises where channels do not fit
    if level_step.ndim:
        per_row(level_step, x)
    rows, cols = _rows(x, per_channel)
    native.call(
        f"uniform_forward_{native.SUFFIX[x.dtype]}",
        *(x, values, codes, rows, cols, threshold_step.contiguous(), threshold_step.ndim),
        *(level_step.contiguous(), level_step.ndim, *_grid_arguments(grid), native.threads_for(x.numel())),
    )


def encode(x: Tensor, threshold_step: Tensor, grid: UniformGrid) -> Tensor:
    """Return codes 0 ... 2^b - 1 (uint8, shape of ``x``): how many thresholds are at or below each value; 0 for NaN."""
    x, step = x.detach(), threshold_step.detach()
    if not native.usable(x, step):
        return grid.encode(x, step.clamp_min(MIN_STEP))
    x = _dense(x)
    codes = torch.empty_like(x, dtype=torch.uint8)
    _native_uniform(x, step, step, grid, None, codes)
    return codes


@functools.lru_cache(maxsize=8)
def _repeats(sizes: tuple[int, ...], device: torch.device) -> Tensor:
    return torch.tensor(sizes, device=device)  # a copy from the host, which must not happen in every step


@torch.no_grad()
def encode_flat(xs: Sequence[Tensor], threshold_steps: Sequence[Tensor], grid: UniformGrid) -> Tensor:
    """Return the codes of many tensors on one grid, joined in one uint8 tensor, each as :func:`encode` has them.

    Without the kernels everything is one pass over all tensors together, which on a GPU saves most of the launches.
    """
    sizes = [x.numel() for x in xs]
    if native.usable(*xs, *threshold_steps):
        out = torch.empty(sum(sizes), dtype=torch.uint8)
        for x, step, part in zip(xs, threshold_steps, out.split(sizes), strict=True):
            if x.is_contiguous():
                _native_uniform(x, step, step, grid, None, part)
            else:
                part.view(x.shape).copy_(encode(x, step, grid))
        return out
    rows = [row for x, step in zip(xs, threshold_steps, strict=True) for row in _row_sizes(x, step)]
    flat = torch.cat([x.reshape(-1) for x in xs])
    steps = torch.cat([step.reshape(-1) for step in threshold_steps]).clamp_min(MIN_STEP)
    return grid.encode(flat, steps.repeat_interleave(_repeats(tuple(rows), flat.device), output_size=flat.numel()))


def decode(codes: Tensor, level_step: Tensor, grid: UniformGrid) -> Tensor:
    """Return the level of every code: ``level_step * (low + code + level_offset)``."""
    return grid.decode(codes, level_step.detach().clamp_min(MIN_STEP))


class _AOQ(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(
        x: Tensor, threshold_step: Tensor, level_step: Tensor, grid: UniformGrid, learns: bool
    ) -> tuple[Tensor, Tensor | None]:
        codes: Tensor | None
        if native.usable(x, threshold_step, level_step):
            x = _dense(x)
            out = torch.empty_like(x)
            codes = torch.empty_like(x, dtype=torch.uint8) if learns else None
            _native_uniform(x, threshold_step, level_step, grid, out, codes)
            return out, codes
        threshold_step, level_step = threshold_step.clamp_min(MIN_STEP), level_step.clamp_min(MIN_STEP)
        k = grid.position(x, threshold_step)
        out = (per_row(level_step, x) * (k + grid.level_offset)).to(x.dtype)
        codes = (k - grid.low).to(torch.uint8) if learns else None
        return torch.where(torch.isnan(x), x, out), codes

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor | None]) -> None:
        level_step, ctx.grid, ctx.learns = inputs[2:]
        if output[1] is not None:
            ctx.mark_non_differentiable(output[1])
            ctx.set_materialize_grads(False)  # no tensor of zeros as the gradient of the codes
            ctx.save_for_backward(output[1])
            ctx.shape, ctx.dtype = level_step.shape, level_step.dtype

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor | None, _: None) -> tuple[Tensor | None, ...]:
        if grad is None or not ctx.learns:
            return grad, None, None, None, None
        (codes,) = ctx.saved_tensors
        grid, level_grad = ctx.grid, torch.empty(ctx.shape, dtype=ctx.dtype, device=grad.device)
        if native.usable(grad, level_grad):
            rows, cols = _rows(codes, level_grad)
            native.call(
                f"aoq_backward_{native.SUFFIX[grad.dtype]}",
                *(codes, _like(grad, codes), rows, cols, level_grad),
                *(*_grid_arguments(grid), native.threads_for(codes.numel())),
            )
        else:
            positions = codes.to(ctx.dtype) + (grid.low + grid.level_offset)
            level_grad = _reduce_to(grad * positions, level_grad).to(ctx.dtype)
        return grad, None, level_grad, None, None


def aoq_ste(x: Tensor, threshold_step: Tensor, level_step: Tensor, grid: UniformGrid) -> Tensor:
    """Fake-quantize, decoupled: thresholds from one step, levels from another.

    Value: ``x_hat = level_step * (k + level_offset)``, ``k`` the position by ``threshold_step * (k + threshold_offset)
    <= x``. Gradient (straight-through, never clipped): ``d/dx = 1`` everywhere, ``d/dlevel_step = k + level_offset``,
    none to ``threshold_step``. With 2 bits, mid-rise, both steps 1::

        x                 -3.0   0.2   1.0
        x_hat             -1.5   0.5   1.5
        d x_hat / dx       1     1     1
        d x_hat / dlevel  -1.5   0.5   1.5

    x: any shape; steps: shape () or, per channel, (C,) with x of shape (C, ...). NaN stays NaN. Source: Xie et al.,
    ICCV 2025, the weight quantizer.
    """
    return apply_gradient(_AOQ, check_tensor(x, "x"), threshold_step, level_step, grid, level_step.requires_grad)[0]


class _LSQ(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, step: Tensor, grid: UniformGrid, gradient_scale: float) -> Tensor:
        if native.usable(x, step):
            x = _dense(x)
            out = torch.empty_like(x)
            _native_uniform(x, step, step, grid, out, None)
            return out
        least = step.clamp_min(MIN_STEP)
        out = (per_row(least, x) * (grid.position(x, least) + grid.level_offset)).to(x.dtype)
        return torch.where(torch.isnan(x), x, out)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, step, ctx.grid, ctx.gradient_scale = inputs
        ctx.save_for_backward(x, step)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, step = ctx.saved_tensors
        grid = ctx.grid
        if native.usable(grad, x, step):
            x = _dense(x)
            rows, cols = _rows(x, step)
            grad_x, step_grad = torch.empty_like(x), torch.empty(step.shape, dtype=step.dtype)
            native.call(
                f"lsq_backward_{native.SUFFIX[grad.dtype]}",
                *(x, _like(grad, x), grad_x, rows, cols, step.contiguous(), step_grad),
                *(*_grid_arguments(grid), native.threads_for(x.numel())),
            )
        else:
            step = step.clamp_min(MIN_STEP)
            wide = torch.promote_types(x.dtype, torch.float32)  # a bfloat16 quotient errs by a third of a level
            v = x.to(wide) / per_row(step, x).to(wide)
            inside = (v > grid.low) & (v < grid.high)
            k = grid.position(x, step)
            grad_x = torch.where(inside, grad, torch.zeros_like(grad))
            step_grad = _reduce_to(grad * torch.where(inside, k.to(wide) - v, k.to(wide)), step).to(step.dtype)
        return grad_x, step_grad * ctx.gradient_scale, None, None


def lsq_ste(x: Tensor, step: Tensor, grid: UniformGrid, gradient_scale: float = 1.0) -> Tensor:
    """Fake-quantize as LSQ: one learned step for thresholds and levels (mid-tread grid).

    Value: ``x_hat = step * k``, ``k = clip(round(x / step), low, high)`` (halves round up). Gradient with ``v = x /
    step``: where ``low < v < high``, ``d/dx = 1`` and ``d/dstep = k - v``; outside, ``d/dx = 0`` and ``d/dstep`` = the
    clip bound; ``d/dstep`` is multiplied by ``gradient_scale``. With 2 bits, step 1::

        x                  -3.0   0.25   0.75
        x_hat              -2.0   0.0    1.0
        d x_hat / dx        0     1      1
        d x_hat / dstep    -2    -0.25   0.25

    x: any shape; step: shape () or, per channel, (C,) with x of shape (C, ...). NaN stays NaN. Source: Esser et al.,
    ICLR 2020, equations 1 to 5.
    """
    return apply_gradient(_LSQ, check_tensor(x, "x"), step, grid, gradient_scale)


def ltq_edges(bin_widths: Tensor) -> tuple[Tensor, Tensor]:
    """Return bin edges ``T_0 = 0 ... T_n`` (n + 1) and the centres ``T_{i-1} + a_i / 2`` (n) where the code goes up.

    At least float32: sums of bfloat16 widths would merge edges from 6 bits on.
    """
    bin_widths = bin_widths.to(torch.promote_types(bin_widths.dtype, torch.float32))
    edges = torch.cat([bin_widths.new_zeros(1), torch.cumsum(bin_widths, 0)])
    return edges, edges[:-1] + bin_widths / 2


def _scaled(x: Tensor, input_scale: Tensor, edges: Tensor) -> Tensor:
    wide = torch.promote_types(x.dtype, edges.dtype)  # a 0-dimensional scale takes part in no type promotion
    return (input_scale.to(wide) * x.to(wide)).contiguous()


def _bins(z: Tensor, edges: Tensor) -> Tensor:
    """Return ``#{i : edges_i < z}``, int32."""
    return torch.bucketize(z, edges.to(z.dtype), out_int32=True)


def ltq_encode(x: Tensor, bin_widths: Tensor, input_scale: Tensor) -> Tensor:
    """Return codes 0 ... n (uint8): the number of centres strictly below ``input_scale * x``."""
    centres = ltq_edges(bin_widths.detach().clamp_min(MIN_BIN_WIDTH))[1]
    z = _scaled(x.detach(), input_scale.detach().clamp_min(MIN_STEP), centres)
    return _bins(z, centres).to(torch.uint8)


class _LTQ(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, bin_widths: Tensor, input_scale: Tensor, output_scale: Tensor) -> Tensor:
        if native.usable(x, bin_widths, input_scale, output_scale):
            x, bin_widths = _dense(x), bin_widths.contiguous()
            out = torch.empty_like(x)
            native.call(
                f"ltq_forward_{native.SUFFIX[x.dtype]}",
                *(x, out, x.numel(), bin_widths, bin_widths.numel(), input_scale, output_scale),
                native.threads_for(x.numel()),
            )
            return out
        _, centres, u, unit = _ltq_clamped(bin_widths, input_scale, output_scale)[1:]
        codes = _bins(_scaled(x, u, centres), centres)
        return torch.where(torch.isnan(x), x, (unit * codes.to(unit.dtype)).to(x.dtype))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, *parameters = ctx.saved_tensors
        if not native.usable(grad, x, *parameters):
            return _ltq_backward(x, grad, *parameters)
        x, parameters[0] = _dense(x), parameters[0].contiguous()
        grad_x, *gradients = (torch.empty_like(t) for t in (x, *parameters))
        native.call(
            f"ltq_backward_{native.SUFFIX[x.dtype]}",
            *(x, _like(grad, x), grad_x, x.numel(), parameters[0], parameters[0].numel(), *parameters[1:]),
            *(*gradients, native.threads_for(x.numel())),
        )
        return grad_x, *gradients


def _ltq_clamped(bin_widths: Tensor, input_scale: Tensor, output_scale: Tensor) -> tuple[Tensor, ...]:
    """Return widths a, their edges and centres, u, and the unit ``v delta``: the distance between levels."""
    a, u = bin_widths.clamp_min(MIN_BIN_WIDTH), input_scale.clamp_min(MIN_STEP)
    return a, *ltq_edges(a), u, output_scale.clamp_min(MIN_STEP) * (2 / a.numel())


def _sums_per_bin(bins: Tensor, count: int, *values: Tensor) -> list[Tensor]:
    """Return per tensor of ``values`` its sum over each of ``count`` bins; ``bins`` (int32) has their shape.

    Each bin has many partial sums: additions to a single address queue up on a GPU, and lose digits in float32.
    """
    elements = bins.numel()
    slots = max(1, min(SLOTS, elements // 16))
    where = bins.flatten() + count * (torch.arange(elements, dtype=torch.int32, device=bins.device) % slots)
    return [v.new_zeros(slots * count).index_add(0, where, v.flatten()).view(slots, count).sum(0) for v in values]


def _ltq_backward(x: Tensor, grad: Tensor, *parameters: Tensor) -> tuple[Tensor, ...]:
    a, edges, centres, u, unit = _ltq_clamped(*parameters)
    n, z = a.numel(), _scaled(x, u, edges)
    slopes = u * unit / a  # d out / dx in bins 1 ... n
    bins = _bins(z, edges)  # 0: at or below 0; n + 1: above the last edge
    slope_of_bin = torch.cat([slopes.new_zeros(1), slopes, slopes.new_zeros(1)])
    grad_x = (grad * slope_of_bin[bins]).to(x.dtype)
    wide = grad.to(torch.promote_types(grad.dtype, torch.float32))
    bin_g, bin_gx = (sums[1:-1] for sums in _sums_per_bin(bins, n + 2, wide, wide * x))
    code_sum = (wide * _bins(z, centres)).sum()
    # On bin i the ramp is unit * (i - 1 + (u x - T_{i-1}) / a_i): its own width scales it, earlier widths shift it.
    a_, u_, unit_ = a.to(bin_g.dtype), u.to(bin_g.dtype), unit.to(bin_g.dtype)
    inner = u_ * bin_gx - edges[:-1].to(bin_g.dtype) * bin_g  # sum of g (z - T_{i-1}) per bin
    shift = bin_g / a_
    later = shift.flip(0).cumsum(0).flip(0) - shift
    width_grad = -unit_ * (inner / a_**2 + later)
    input_grad = unit_ * (bin_gx / a_).sum()
    output_grad = code_sum * (2 / n)
    return grad_x, width_grad.to(a.dtype), input_grad.to(u.dtype), output_grad.to(unit.dtype)


def ltq_gste(x: Tensor, bin_widths: Tensor, input_scale: Tensor, output_scale: Tensor) -> Tensor:
    """Fake-quantize activations as LTQ (N2UQ) with the generalised straight-through estimator.

    With ``n`` bin widths ``a_i``, ``z = u x``, ``T_i = a_1 + ... + a_i``, ``delta = 2 / n`` and scales ``u`` (input)
    and ``v`` (output). Value: ``v delta #{i : z > T_{i-1} + a_i / 2}``. Gradient: that of ``v`` times the ramp which
    is 0 for ``z <= 0``, ``delta (i - 1) + delta (z - T_{i-1}) / a_i`` on bin i and 2 above ``T_n``; ``d/dv`` takes the
    value's staircase instead of the ramp. With 2 bits, all ``a_i = 2/3``, ``u = 1``, ``v = 2``::

        x                 -0.5   0.4   1.2   2.5
        value              0     4/3   8/3   4      (centres at 1/3, 1, 5/3)
        d value / dx       0     2     2     0

    x: any shape; bin_widths: (n,); scales: (). Widths act as at least 1e-6. NaN stays NaN. Source: Liu et al., CVPR
    2022 (N2UQ), equations 6 to 11.
    """
    return apply_gradient(_LTQ, check_tensor(x, "x"), bin_widths, input_scale, output_scale)
