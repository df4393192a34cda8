"""Where and how a run computes: device, precision, compiled code, and this process's place among several."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

from .config import TrainConfig
from .distributed import join

T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """The device and precision of a run, and the number of this process (``rank``) of ``world``."""

    device: torch.device
    precision: str = "no"
    """no, bf16 or fp16."""
    rank: int = 0
    world: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and talks to the user."""
        return self.rank == 0

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context of a forward pass: mixed precision, where it is on."""
        if self.precision == "no":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16 if self.precision == "bf16" else torch.float16)

    def wait(self) -> None:
        """Wait until every process is here."""
        if self.world > 1:
            dist.barrier()

    def from_main(self, value: T) -> T:
        """Return the main process's ``value`` in every process."""
        values = [value]
        if self.world > 1:
            dist.broadcast_object_list(values)
        return values[0]


def place_for(config: TrainConfig) -> Place:
    """Return the place that ``config`` asks for; raise ``ValueError`` for a device or precision that is not there.

    Several processes, as ``torchrun`` starts them, join one group.
    """
    if config.device.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(f"--device {config.device}: this Torch sees no GPU; use --device cpu")
    on_cpu = config.device == "cpu" or not torch.cuda.is_available()
    precision = config.mixed_precision
    if precision == "auto":
        precision = "bf16" if not on_cpu and torch.cuda.is_bf16_supported() else "no"
    if precision == "fp16" and on_cpu:
        raise ValueError("--mixed-precision fp16 needs a GPU; on the CPU take no or bf16")
    device = torch.device("cpu")
    if not on_cpu:
        device = torch.device("cuda", int(config.device.partition(":")[2] or os.environ.get("LOCAL_RANK", "0")))
        if device.index >= torch.cuda.device_count():
            raise ValueError(f"--device {device}: there are {torch.cuda.device_count()} GPUs, counted from 0")
        torch.cuda.set_device(device)
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Place(device, precision)
    if not dist.is_initialized():
        join("gloo" if on_cpu else "nccl")
    return Place(device, precision, dist.get_rank(), dist.get_world_size())


def compiled_or_eager(model: nn.Module) -> Callable[[Tensor], Tensor]:
    """Return ``torch.compile(model)``; where compiling fails, the model itself, with a warning that says why."""
    compiled = torch.compile(model)
    failed = False

    def forward(images: Tensor) -> Tensor:
        nonlocal failed
        if not failed:
            try:
                return cast(Tensor, compiled(images))
            except torch._dynamo.exc.TorchDynamoException as error:
                failed = True
                reason = str(error).strip().partition("\n")[0]
                warnings.warn(f"torch.compile failed ({reason}); training continues without it", stacklevel=2)
        return cast(Tensor, model(images))

    return forward


def channels_last(model: nn.Module) -> nn.Module:
    """Return the model in the layout fastest for convolutions; sums agree bit for bit only in the same layout."""
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
