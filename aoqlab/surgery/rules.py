"""The quantizer for the input of a layer: which kind, by a rule on the values that arrive there."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from ..quantizers import LSQ, LTQ, Quantizer, Shifted
from .layers import near_names

Rule = Literal["unsigned", "shifted", "signed", "as given"]
SHALLOW = 0.25
"""Negative values down to this share of the maximum are the tail of GELU, SiLU or hard-swish, not half a tensor."""


def rule_for(low: float, high: float, prototype: Quantizer) -> Rule:
    """What an input with values from ``low`` to ``high`` needs.

    ``low >= 0``: "unsigned". ``-0.25 high < low < 0``: "shifted". Else "signed" for LSQ; "shifted" for LTQ, which has
    no signed form. Quantizers of any other kind are used "as given".
    """
    if not isinstance(prototype, (LSQ, LTQ)):
        return "as given"
    if low >= 0:
        return "unsigned"
    return "shifted" if low > -SHALLOW * high or isinstance(prototype, LTQ) else "signed"


def build(prototype: Quantizer, rule: Rule) -> Quantizer:
    """A quantizer of the prototype's bits for a rule; a prototype of the right kind is copied with its settings."""
    if isinstance(prototype, LSQ):
        signed = rule == "signed"
        if prototype.grid.signed == signed:
            own: Quantizer = copy.deepcopy(prototype)
        else:
            own = LSQ(prototype.bits, signed=signed, scale_gradient=prototype.scale_gradient, batched=prototype.batched)
        return Shifted(own) if rule == "shifted" else own
    if isinstance(prototype, LTQ) and rule == "signed":
        raise ValueError("rule 'signed' needs LSQ activations, got LTQ; its rules are 'unsigned' and 'shifted'")
    return Shifted(copy.deepcopy(prototype)) if rule == "shifted" else copy.deepcopy(prototype)


def fitted(quantizer: Quantizer, x: Tensor, layer: str) -> Quantizer:
    """``quantizer`` initialised from ``x``, with parameters of at least float32; errors name the layer."""
    try:
        return quantizer.to(x.device, torch.promote_types(x.dtype, torch.float32)).init_from(x)
    except (ValueError, TypeError) as error:
        raise type(error)(f"layer {layer!r} cannot be quantized: {error}") from error


def check_prototype(prototype: Quantizer) -> Quantizer:
    """Refuse activation quantizers with a step per channel: the first axis of an input is the batch."""
    if getattr(prototype, "per_channel", False):
        raise ValueError(
            f"activations cannot be quantized per channel, got {prototype!r}; the first axis of an input is the batch"
        )
    return prototype


@contextmanager
def _float_pass(model: nn.Module) -> Iterator[None]:
    """Eval mode without gradients; every module gets its own mode back, also one frozen in eval mode."""
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for m, training in modes:
            m.training = training


def observe(
    model: nn.Module, layers: Mapping[str, nn.Module], prototype: Quantizer, sample: Tensor
) -> dict[str, tuple[Rule, Quantizer]]:
    """Rule and initialised quantizer of every layer whose forward runs on ``sample``, one eval-mode forward pass.

    Of a layer that is called several times the extremes of all calls count, and the call that decided the rule
    initialises the quantizer.
    """
    extremes: dict[str, tuple[float, float]] = {}
    found: dict[str, tuple[Rule, Quantizer]] = {}

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
        with _float_pass(model):
            model(sample if parameter is None else sample.to(parameter.device))
    finally:
        for handle in handles:
            handle.remove()
    return found


def rebuild(
    layers: Mapping[str, nn.Module], prototype: Quantizer, rules: Mapping[str, str | None]
) -> dict[str, tuple[Rule, Quantizer]]:
    """Quantizers by known rules, not initialised: for a network whose state is loaded next."""
    wanted = {name: rule for name, rule in rules.items() if rule}
    found: dict[str, tuple[Rule, Quantizer]] = {}
    for name, rule in wanted.items():
        if name not in layers:
            raise ValueError(f"rules names {name!r}, which is no layer to quantize; near: {near_names(name, layers)}")
        if rule not in get_args(Rule):
            raise ValueError(f"rule of layer {name!r} must be one of {', '.join(get_args(Rule))}; got {rule!r}")
        weight = layers[name].get_parameter("weight")
        dtype = torch.promote_types(weight.dtype, torch.float32)
        found[name] = rule, build(prototype, rule).to(weight.device, dtype)  # type: ignore[assignment, arg-type]
    return found


def layer_input(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
    """The input of a convolution or linear layer, however its caller passed it."""
    x = args[0] if args else kwargs["input"]
    assert isinstance(x, Tensor)
    return x
