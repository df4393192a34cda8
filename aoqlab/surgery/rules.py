"""The quantizer for the input of a layer: which kind, by a rule on the values that arrive there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import torch
from torch import Tensor, nn

from ..quantizers import Quantizer, Shifted
from ..quantizers.base import InputRule
from .attached import evaluating
from .layers import near_names

SHALLOW = 0.25
"""Negative values down to this share of the maximum are the tail of GELU, SiLU or hard-swish, not half a tensor."""


def rule_for(low: float, high: float, prototype: Quantizer) -> InputRule:
    """Return the rule for an input with values from ``low`` to ``high``: one of the prototype's ``input_rules``.

    ``low >= 0``: "unsigned". ``-0.25 high < low < 0``: "shifted". Otherwise "signed". A prototype without that rule
    takes the last one of its own: "shifted" for LTQ, which has no signed form, "as given" for quantizers with one form.
    """
    wanted: InputRule = "unsigned" if low >= 0 else "shifted" if low > -SHALLOW * high else "signed"
    return wanted if wanted in prototype.input_rules else prototype.input_rules[-1]


def build(prototype: Quantizer, rule: InputRule) -> Quantizer:
    """Return a copy of the prototype in the form that the rule asks for."""
    if rule not in prototype.input_rules:
        known = " and ".join(map(repr, prototype.input_rules))
        raise ValueError(f"{type(prototype).__name__} has no form for rule {rule!r}; its rules are {known}")
    return Shifted(prototype.for_inputs("unsigned")) if rule == "shifted" else prototype.for_inputs(rule)


def fitted(quantizer: Quantizer, x: Tensor, layer: str) -> Quantizer:
    """Return ``quantizer`` initialised from ``x``, with parameters of at least float32; errors name the layer."""
    try:
        return quantizer.to(x.device, torch.promote_types(x.dtype, torch.float32)).init_from(x)
    except (ValueError, TypeError) as error:
        raise type(error)(f"layer {layer!r} cannot be quantized: {error}") from error


def observe(
    model: nn.Module, layers: Mapping[str, nn.Module], prototype: Quantizer, sample: Tensor
) -> dict[str, tuple[InputRule, Quantizer]]:
    """Return rule and initialised quantizer of every layer that runs on ``sample``, in one eval-mode forward pass.

    Of a layer that is called several times the extremes of all calls count, and the call that decided the rule
    initialises the quantizer.
    """
    extremes: dict[str, tuple[float, float]] = {}
    found: dict[str, tuple[InputRule, Quantizer]] = {}

    def listen(name: str) -> Any:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            x = layer_input(args, kwargs)
            if x.numel() == 0:
                raise ValueError(f"layer {name!r} got an empty input of shape {tuple(x.shape)} from the sample")
            low, high = extremes.get(name, (float("inf"), float("-inf")))
            low, high = extremes[name] = min(low, float(x.min())), max(high, float(x.max()))
            rule = rule_for(low, high, prototype)
            if name not in found or found[name][0] != rule:
                found[name] = rule, fitted(build(prototype, rule), x, name)

        return hook

    handles = [m.register_forward_pre_hook(listen(name), with_kwargs=True) for name, m in layers.items()]
    parameter = next(model.parameters(), None)
    try:
        with evaluating(model), torch.no_grad():
            model(sample if parameter is None else sample.to(parameter.device))
    except (RuntimeError, IndexError) as error:
        told = f"{type(model).__name__} does not take the sample of shape {tuple(sample.shape)} and {sample.dtype}"
        raise ValueError(f"{told}: {str(error).splitlines()[0]}") from error
    finally:
        for handle in handles:
            handle.remove()
    return found


def rebuild(
    layers: Mapping[str, nn.Module], prototype: Quantizer, rules: Mapping[str, str | None]
) -> dict[str, tuple[InputRule, Quantizer]]:
    """Return quantizers by known rules, not initialised: for a network whose state is loaded next."""
    wanted = {name: rule for name, rule in rules.items() if rule}
    found: dict[str, tuple[InputRule, Quantizer]] = {}
    for name, rule in wanted.items():
        if name not in layers:
            raise ValueError(f"rules names {name!r}, which is no layer to quantize; near: {near_names(name, layers)}")
        if rule not in get_args(InputRule):
            raise ValueError(f"rule of layer {name!r} must be one of {', '.join(get_args(InputRule))}; got {rule!r}")
        weight = layers[name].get_parameter("weight")
        dtype = torch.promote_types(weight.dtype, torch.float32)
        found[name] = rule, build(prototype, rule).to(weight.device, dtype)  # type: ignore[assignment, arg-type]
    return found


def layer_input(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
    """Return the input of a convolution or linear layer, however its caller passed it."""
    x = args[0] if args else kwargs["input"]
    assert isinstance(x, Tensor)
    return x
