"""What every quantizer offers, and what several of them share."""

from __future__ import annotations

import copy
import functools
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ..arguments import check_bits
from ..grids import UniformGrid, check_codes, check_finite, check_tensor
from ..kernels import native
from ..schedule import StageState
from ..ste import decode

InputRule = Literal["unsigned", "shifted", "signed", "as given"]
"""What the values that arrive at a layer ask of the quantizer there."""


def _tensor(quantizer: Quantizer, x: Tensor) -> None:
    check_tensor(x, f"what {type(quantizer).__name__} quantizes")
    if type(x) is Tensor and x.is_cpu and not native.watched():
        native.check_memory(x)


def _codes(quantizer: Quantizer, codes: Tensor) -> None:
    check_codes(codes, quantizer.bits)


CHECKED = {"forward": _tensor, "encode": _tensor, "decode": _codes, "decode_learned": _codes}


def _checking(method: Callable[..., Any], check: Callable[[Quantizer, Tensor], None]) -> Callable[..., Any]:
    @functools.wraps(method)
    def checking(self: Quantizer, x: Tensor) -> Any:
        check(self, x)
        return method(self, x)

    return checking


class Quantizer(nn.Module):
    """Interface of all quantizers: ``2^bits`` levels, ``2^bits - 1`` thresholds, codes ``0 ... 2^bits - 1``.

    ``decode(encode(x))`` equals ``forward(x)`` bit for bit where x and the parameters share a dtype.

    Surgery, trainings, trackers and explorers know a quantizer by this class alone: by its abstract methods and by the
    attributes below, whose defaults promise nothing. Quantizers with a uniform grid derive from
    :class:`aoqlab.quantizers.UniformQuantizer`, which needs less.
    """

    grid: UniformGrid | None = None
    """The grid for which ``encode(x)`` is ``grid.encode(x, step_for(x))``; ``None`` where codes arise otherwise."""

    per_channel: bool = False
    """Whether each entry of the first dimension has parameters of its own."""

    coupled: bool = False
    """Whether one step places thresholds and levels."""

    clips: bool = False
    """Whether values beyond the outermost levels get no gradient."""

    absorbs_relu: bool = False
    """Whether ``q(relu(x))`` is ``q(x)`` with the same gradient: negative values go to level 0 and get none."""

    input_rules: tuple[InputRule, ...] = ("as given",)
    """Rules that :meth:`for_inputs` (or :class:`Shifted` around it) can follow; the last one suits all values."""

    per_channel_state: tuple[str, ...] = ()
    """Names of parameters and buffers of shape (C,) when per-channel; loading a checkpoint sets C."""

    per_weight_state: tuple[str, ...] = ()
    """Names of buffers shaped like the weights, empty until they are known; loading a checkpoint sets the shape."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Check the argument of the methods that every quantizer has, wherever a class defines one."""
        super().__init_subclass__(**kwargs)
        for name in CHECKED.keys() & cls.__dict__.keys():
            setattr(cls, name, _checking(cls.__dict__[name], CHECKED[name]))

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.bits = check_bits(bits)

    @abstractmethod
    def init_from(self, x: Tensor) -> Quantizer:
        """Set the parameters from a tensor (pre-trained weights or a batch of activations); return self."""

    @abstractmethod
    def thresholds(self) -> Tensor:
        """Return the thresholds, ascending: shape (2^b - 1,), or (C, 2^b - 1) per channel."""

    @abstractmethod
    def levels(self) -> Tensor:
        """Return the levels, ascending: shape (2^b,), or (C, 2^b) per channel."""

    @abstractmethod
    def encode(self, x: Tensor) -> Tensor:
        """Return integer codes, uint8, shape of ``x``. Raise ``ValueError`` on NaN (checked on CPU; 0 elsewhere)."""

    @abstractmethod
    def decode(self, codes: Tensor) -> Tensor:
        """Return the level of every code."""

    @abstractmethod
    def decode_learned(self, codes: Tensor) -> Tensor:
        """Decode with the gradient to the parameters: ``d/dstep = k + level_offset`` and the like."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Fake-quantize: replace every value by its level, gradients straight through."""

    @property
    def threshold_step(self) -> Tensor | None:
        """The distance between thresholds, without gradient, shape () or (C,); ``None`` where there is no grid."""
        return None

    @property
    def level_step(self) -> Tensor | None:
        """The distance between levels, shape () or (C,); ``None`` where there is no grid."""
        return None

    @property
    def learned_step(self) -> nn.Parameter | None:
        """The parameter that is a step size, shape () or (C,); ``None`` where none is learned."""
        return None

    @property
    def unwrapped(self) -> Quantizer:
        """The quantizer without those that only hold its codes, such as :class:`Freezing`."""
        return self

    def step_for(self, x: Tensor) -> Tensor | None:
        """Return the distance between thresholds for a tensor; ``threshold_step`` unless it is measured on ``x``."""
        return self.threshold_step

    def set_stage(self, state: StageState) -> None:
        """Take over a moment of the schedule; without effect on quantizers that have no stages."""

    def bin_centres(self, x: Tensor) -> Tensor:
        """Return the middle of the bin of each value: where staged dampening pulls it. Raise ``TypeError`` if none."""
        raise TypeError(f"staged dampening needs bin centres, which {type(self).__name__} does not have")

    def init_range(self, width: Tensor) -> Quantizer:
        """Spread the levels evenly over ``[0, width]``, shape (), units of x; return self, or raise ``TypeError``."""
        raise TypeError(f"{type(self).__name__} cannot be spread over a range from 0")

    def for_inputs(self, rule: InputRule) -> Quantizer:
        """Return a copy for values of a sign ("unsigned", "signed"), with the same settings."""
        return copy.deepcopy(self)

    def extra_repr(self) -> str:
        return f"bits={self.bits}"

    def _set(self, name: str, value: Tensor) -> None:
        """Give a parameter or buffer a new value, which may have another shape; dtype and device stay."""
        old = getattr(self, name)
        old.data = value.detach().to(old.data).reshape(value.shape).clone()

    def _checked(self, x: Tensor) -> Tensor:
        """Refuse tensors that no parameter can come from, and move to the device of those that one can."""
        check_finite(x, f"the tensor to initialise {type(self).__name__} from")
        self.to(x.device)
        return x

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        for name in self.per_channel_state:
            value, own = state_dict.get(prefix + name), getattr(self, name)
            if not isinstance(value, Tensor) or value.shape == own.shape:
                continue
            if value.ndim == 1 and own.ndim == 1:
                self._set(name, value)
            else:  # Torch itself would quietly take the first channel
                error_msgs.append(
                    f"{prefix}{name} has shape {tuple(value.shape)} in the checkpoint and {tuple(own.shape)} here: "
                    "per_channel differs"
                )
                return
        for name in self.per_weight_state:
            value = state_dict.get(prefix + name)
            if isinstance(value, Tensor) and not getattr(self, name).numel():
                self._set(name, value)
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


@runtime_checkable
class Freezes(Protocol):
    """A quantizer that can hold weights at a code."""

    def track(self, codes: Tensor) -> None:
        """Take the codes of one optimizer step into account."""

    def freeze(self, frequency: Tensor, above: float | int) -> None:
        """Hold every weight whose oscillation frequency exceeds ``above``."""


def refuse_nan(x: Tensor) -> Tensor:
    """Raise on NaN. Only on CPU: elsewhere the check would make the device wait in every step; a tracer has no values.

    The sum comes first because it is several times cheaper than looking at every element.
    """
    if native.watched() or x.device.type != "cpu":
        return x
    if bool(torch.isnan(x.detach().sum())):
        bad = int(torch.isnan(x).sum())
        if bad:
            raise ValueError(f"cannot encode {bad} NaN values out of {x.numel()}; the training has probably diverged")
    return x


SUM_BLOCK = 8192


def steady_sum(x: Tensor) -> Tensor:
    """Sum of all elements, in float32 or wider, that does not depend on the number of CPU threads.

    Torch splits one long sum between its threads, but gives each row of many to a single one.
    """
    wide = torch.promote_types(x.dtype, torch.float32)
    if x.device.type != "cpu":
        return x.sum(dtype=wide)
    if x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last):
        x = x.permute(0, 2, 3, 1)  # dense in this order: nothing is copied
    flat = x.reshape(-1)
    whole = flat.numel() // SUM_BLOCK * SUM_BLOCK
    return flat[:whole].view(-1, SUM_BLOCK).sum(1, dtype=wide).sum() + flat[whole:].sum(dtype=wide)


class _Decode(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, codes: Tensor, step: Tensor, grid: UniformGrid, gradient_scale: float) -> Tensor:
        ctx.save_for_backward(codes)
        ctx.per_channel, ctx.dtype, ctx.scale = step.ndim > 0, step.dtype, gradient_scale
        ctx.lowest = grid.low + grid.level_offset
        return decode(codes, step, grid)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (codes,) = ctx.saved_tensors
        terms = grad * (codes.to(grad.dtype) + ctx.lowest)
        sums = terms.unsqueeze(-1).flatten(1).sum(1) if ctx.per_channel else steady_sum(terms)
        return None, (ctx.scale * sums).to(ctx.dtype), None, None


def decode_ste(codes: Tensor, step: Tensor, grid: UniformGrid, gradient_scale: float = 1.0) -> Tensor:
    """Levels of codes, ``step * (k + level_offset)``, with ``d/dstep = k + level_offset`` times ``gradient_scale``.

    codes: any shape; step: shape (), or (C,) for codes of shape (C, ...).
    """
    return _Decode.apply(codes, step, grid, gradient_scale)


def check_rows(x: Tensor, per_channel: bool) -> Tensor:
    """Raise ``ValueError`` where there are no channels to tell apart."""
    if per_channel and x.ndim == 0:
        raise ValueError("per_channel=True needs a tensor of at least one dimension, got one of shape ()")
    return x


def spread_of(x: Tensor, values: Tensor, what: str, smallest: float) -> Tensor:
    """Check that a statistic of ``x`` can serve as a step; channels without spread take the mean of the others."""
    usable = (values > smallest) & torch.isfinite(values)
    if not bool(usable.any()):
        raise ValueError(
            f"cannot derive a step from a tensor of shape {tuple(x.shape)}: its {what} is {float(values.max()):g}, "
            f"but must be finite and above {smallest:g}; are all values equal, or huge?"
        )
    return torch.where(usable, values, values[usable].mean()) if values.ndim else values
