"""Which layers of a network can be quantized, and why some are left alone."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.parameter import UninitializedParameter
from torch.nn.utils import parametrize
from torch.overrides import TorchFunctionMode

from ..arguments import check_instance
from .attached import evaluating

Conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
PRODUCTS = (functional.conv1d, functional.conv2d, functional.conv3d, functional.linear)
Transposed = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def find_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Return every convolution and linear layer (subclasses included) by name, in order of registration."""
    check_instance("model", model, nn.Module, "a network (torch.nn.Module)")
    return {name: m for name, m in model.named_modules() if isinstance(m, (nn.Linear, *Conv, *Transposed))}


def near_names(wanted: str, names: Iterable[str]) -> str:
    """Return the names most like ``wanted``, for an error message."""
    names = list(names)
    stem = wanted.rstrip("*?.") or wanted
    near = [n for n in names if stem in n][:4]
    near += [n for n in difflib.get_close_matches(wanted, names, 4, 0.3) if n not in near]
    return ", ".join(repr(n) for n in (near or names)[:5])


def matching(patterns: Sequence[str], names: Collection[str]) -> dict[str, str]:
    """Return name -> the first shell pattern that matches it. Raises ``ValueError`` for a pattern that matches none."""
    patterns = (patterns,) if isinstance(patterns, str) else patterns  # otherwise its letters would be the patterns
    for pattern in check_instance("skip", patterns, Iterable, "a sequence of patterns of layers' names"):
        check_instance("a pattern in skip", pattern, str, "a text")
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ValueError(f"skip pattern {pattern!r} matches no layer; near names: {near_names(pattern, names)}")
    return {name: p for p in reversed(patterns) for name in names if fnmatchcase(name, p)}


class _Used(TorchFunctionMode):
    """Note for each convolution and matrix product whether it uses ``weight`` itself."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.place, self.direct = weight.untyped_storage().data_ptr(), list[bool]()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in PRODUCTS:
            used = args[1] if len(args) > 1 else kwargs["weight"]
            self.direct.append(used.untyped_storage().data_ptr() == self.place)
        return func(*args, **kwargs)


def changes_weight(layer: nn.Module) -> bool:
    """Return whether the forward of a layer convolves with something computed from its weight, not with the weight.

    So weight standardisation does: what a quantizer on the weight rounds would be scaled again afterwards. Layers with
    a forward of their own are run once on zeros.
    """
    if type(layer).forward in {kind.forward for kind in (nn.Linear, *Conv)}:
        return False
    weight = layer.get_parameter("weight")
    if isinstance(layer, nn.Linear):
        shape = [1, layer.in_features]
    else:
        spread = zip(layer.kernel_size, layer.dilation, strict=True)  # type: ignore[arg-type]
        shape = [1, layer.in_channels, *((k - 1) * d + 1 for k, d in spread)]  # type: ignore[list-item]
    with evaluating(layer), torch.no_grad(), suppress(Exception), _Used(weight) as used:
        layer(weight.new_zeros(shape))
    return bool(used.direct) and not any(used.direct)


def first_and_last(model: nn.Module) -> dict[str, str]:
    """Return name -> reason for the first convolution and the last linear layer, in order of registration.

    timm's models name theirs themselves (patch embedding and head of a transformer; several, if there are several).
    """
    layers = find_layers(model)
    reasons: dict[str, str] = {}
    config = getattr(model, "pretrained_cfg", None)
    for key, kinds, end, reason in (
        ("first_conv", Conv, 0, "first convolution"),
        ("classifier", (nn.Linear,), -1, "last linear layer"),
    ):
        named = config.get(key) if isinstance(config, dict) else None
        named = [named] if isinstance(named, str) else list(named or ())
        modules = dict(model.named_modules())
        if named and all(name in modules for name in named):  # a head taken off is an nn.Identity: nothing to leave
            own = [name for name in named if name in layers]
        else:
            own = [name for name, m in layers.items() if isinstance(m, kinds)][end:][:1]
        reasons.update(dict.fromkeys(own, reason))
    return reasons


def reasons_to_skip(
    model: nn.Module, skip: Sequence[str], shortcuts: Collection[str], quantize_first_last: bool
) -> dict[str, str]:
    """Return name -> reason for every layer that is left alone; ``shortcuts`` are layers to leave alone."""
    layers = find_layers(model)
    reasons = dict.fromkeys(shortcuts, "1x1 convolution of a shortcut")
    if not quantize_first_last:
        reasons.update(first_and_last(model))
    reasons.update({name: f"skip pattern {pattern!r}" for name, pattern in matching(skip, layers).items()})
    attention = {m for parent in model.modules() if isinstance(parent, nn.MultiheadAttention) for m in parent.modules()}
    for name, layer in layers.items():
        weight = dict(layer.named_parameters(recurse=False)).get("weight")
        if layer in attention:  # it computes with the weights of its children and never calls them
            reasons[name] = "inside nn.MultiheadAttention"
        elif isinstance(layer, Transposed):
            reasons[name] = "transposed convolution"
        elif parametrize.is_parametrized(layer) or weight is None:
            reasons[name] = "its parameters are computed from others"
        elif isinstance(weight, UninitializedParameter):
            reasons[name] = "its weight has no shape yet"
        elif name not in reasons and changes_weight(layer):
            reasons[name] = "its forward changes the weight (such as standardisation) after a quantizer would round it"
    return reasons
