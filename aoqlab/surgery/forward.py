"""One forward pass in eval mode, on a sample or, without, on zeros."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from .attached import evaluating
from .layers import find_layers

SIZES = (64, 224, 32)
"""Sizes of images that are tried where no sample is given."""


def forward(model: nn.Module, sample: Tensor | None, purpose: str) -> tuple[Tensor, Any]:
    """Return an input that ``model`` takes in eval mode, one image, and its output.

    Raises ``ValueError`` with the ``purpose`` where it does not run.
    """
    why: object = "nothing to run"
    with evaluating(model):
        for x in _inputs(model, sample):
            x = x.requires_grad_() if torch.is_grad_enabled() and x.is_floating_point() else x
            try:
                return x, model(x)
            except Exception as error:  # each network has its own way to fail
                why = error
    remedy = "give sample=, a batch of images" if sample is None else "sample= must be a batch that it takes"
    line = str(why).split("\n")[0]
    raise ValueError(f"{purpose} while {type(model).__name__} runs, and it does not run ({line}); {remedy}")


def _inputs(model: nn.Module, sample: Tensor | None) -> Iterator[Tensor]:
    """Yield one image of ``sample`` or, without, images of zeros in the shape of the first layer."""
    parameter = next(model.parameters())
    if sample is not None:
        yield sample[:1].to(parameter.device, copy=True)
        return
    first = next(iter(find_layers(model).values()))
    config = getattr(model, "pretrained_cfg", None)
    native = config.get("input_size") if isinstance(config, dict) else None
    if isinstance(first, nn.Linear):
        yield parameter.new_zeros(1, first.in_features)
        return
    sides = len(first.kernel_size)  # type: ignore[arg-type]
    for channels in dict.fromkeys((first.in_channels, native[0] if native else 3)):  # the first layer may read patches
        for size in dict.fromkeys((*SIZES, *(native[-1:] if native else ()))):
            yield parameter.new_zeros(1, channels, *[size] * sides)  # type: ignore[arg-type]
