"""Several processes that train like one: gradients averaged, batch norm over the whole batch.

Both are written out instead of taken from DistributedDataParallel: quantizer parameters start and stop learning with
the stages, which DDP does not follow, and Torch's SyncBatchNorm refuses the CPU.
"""

from __future__ import annotations

import atexit
import gc
import importlib
from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


def join(backend: str) -> None:
    """Join the group of processes that ``torchrun`` started, and leave it before Python ends.

    Otherwise a thread of the group that frees its last tensors meets a Python that is being taken down, which ends the
    thread, and with it the process: "terminate called without an active exception". Were
    ``torch.distributed.nn.functional`` imported later, as others do, its functions would hold the group until then.
    """
    importlib.import_module("torch.distributed.nn.functional")
    dist.init_process_group(backend)
    atexit.register(_leave)


def _leave() -> None:
    gc.collect()  # what may still hold the group
    if dist.is_initialized():
        dist.destroy_process_group()


@torch.no_grad()
def average_gradients(parameters: Iterable[Tensor], world: int) -> None:
    """Replace every gradient by its mean over the processes, in one message."""
    if world == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.reshape(-1) for g in gradients])
    dist.all_reduce(flat)
    flat /= world
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view(gradient.shape))


def total(values: Tensor, world: int) -> Tensor:
    """Return the sum over the processes; ``values`` itself with one process."""
    if world > 1:
        dist.all_reduce(values)
    return values


class _Sum(torch.autograd.Function):
    """The sum over the processes; a gradient is the sum of theirs.

    Torch's own (``torch.distributed.nn.functional.all_reduce``) is deprecated.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return _summed(values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _summed(gradient)


def _summed(values: Tensor) -> Tensor:
    found = values.clone(memory_format=torch.contiguous_format)
    dist.all_reduce(found)
    return found


class SyncedBatchNorm(TorchFunctionMode):
    """While active, batch norm in training mode takes its statistics over the batches of all processes.

    Running statistics take the unbiased variance, as in one process. Every process must hold equally many images. Works
    for every module that calls ``torch.nn.functional.batch_norm``.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return (synced_batch_norm if func is F.batch_norm else func)(*args, **(kwargs or {}))


def synced_batch_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """:func:`torch.nn.functional.batch_norm`, in training mode over the batches of all processes; input (n, C, ...)."""
    if not training:
        return F.batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    world = dist.get_world_size()
    wide = input.float() if input.dtype in (torch.bfloat16, torch.float16) else input
    axes = [0, *range(2, input.ndim)]
    count = world * input.numel() // input.shape[1]
    shape = (1, -1, *([1] * (input.ndim - 2)))
    mean = _Sum.apply(wide.mean(axes)) / world
    centred = wide - mean.reshape(shape)
    var = _Sum.apply(centred.square().mean(axes)) / world
    if running_mean is not None and running_var is not None:
        with torch.no_grad():
            running_mean.lerp_(mean.to(running_mean.dtype), momentum)
            running_var.lerp_((var * (count / max(1, count - 1))).to(running_var.dtype), momentum)
    scale = torch.rsqrt(var + eps) if weight is None else torch.rsqrt(var + eps) * weight
    out = centred * scale.reshape(shape)
    return (out if bias is None else out + bias.reshape(shape)).to(input.dtype)
