"""Quantizers attached to a network: found by name, switched on and off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ..quantizers import Quantizer

INPUT = "input_quantizer"


class Switch(nn.Module):
    """A quantizer with an on/off switch; when off, it returns its input unchanged."""

    def __init__(self, quantizer: Quantizer, recompute: bool = False) -> None:
        super().__init__()
        self.quantizer = quantizer
        self.enabled = True
        self.recompute = recompute

    def forward(self, x: Tensor) -> Tensor:
        return self.quantizer(x) if self.enabled else x

    def extra_repr(self) -> str:
        return "" if self.enabled else "disabled"


@dataclass(frozen=True)
class WeightSite:
    """A quantized weight: the float parameter that the optimizer moves (``latent``) and its quantizer."""

    name: str
    latent: nn.Parameter
    quantizer: Quantizer
    module: nn.Module

    @torch.no_grad()
    def codes(self) -> Tensor:
        """Return the integer codes of the weights now, uint8, shape of ``latent``."""
        return self.quantizer.encode(self.latent)


def weight_switch(module: nn.Module) -> Switch | None:
    """Return the switch on the weight of a layer, or ``None``."""
    if not parametrize.is_parametrized(module, "weight"):
        return None
    chain = module.parametrizations["weight"]  # type: ignore[index]
    return next((m for m in chain if isinstance(m, Switch)), None)


def input_switch(module: nn.Module) -> Switch | None:
    """Return the switch on the input of a layer, or ``None``."""
    switch = getattr(module, INPUT, None)
    return switch if isinstance(switch, Switch) else None


def latent_weight(module: nn.Module) -> nn.Parameter:
    """Return the float parameter behind the weight of a layer that has a :func:`weight_switch`."""
    latent = module.parametrizations["weight"].original  # type: ignore[index, union-attr]
    assert isinstance(latent, nn.Parameter)
    return latent


def weight_sites(model: nn.Module) -> dict[str, WeightSite]:
    """Return every quantized weight by the name of its layer, in order of registration; also those disabled now."""
    sites = {}
    for name, module in model.named_modules():
        switch = weight_switch(module)
        if switch is not None:
            sites[name] = WeightSite(name, latent_weight(module), switch.quantizer, module)
    return sites


def activation_quantizers(model: nn.Module) -> dict[str, Quantizer]:
    """Return the quantizer on the input of every layer that has one, by the name of the layer."""
    found = {name: input_switch(module) for name, module in model.named_modules()}
    return {name: switch.quantizer for name, switch in found.items() if switch is not None}


def set_enabled(model: nn.Module, weights: bool | None = None, activations: bool | None = None) -> None:
    """Turn all weight or all activation quantizers on or off; ``None`` leaves them unchanged."""
    for module in model.modules():
        for wanted, switch in ((weights, weight_switch(module)), (activations, input_switch(module))):
            if wanted is not None and switch is not None:
                switch.enabled = wanted


@contextmanager
def quantizers_disabled(model: nn.Module) -> Iterator[nn.Module]:
    """Compute, in this context, as the float network with the latent weights, bit for bit."""
    before = [(m, m.enabled) for m in model.modules() if isinstance(m, Switch)]
    set_enabled(model, weights=False, activations=False)
    try:
        yield model
    finally:
        for switch, enabled in before:
            switch.enabled = enabled


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put ``model`` into eval mode; each module has its own mode back afterwards, also one frozen in eval mode."""
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for m, training in modes:
            m.training = training
