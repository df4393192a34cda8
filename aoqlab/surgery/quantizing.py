"""Put quantizers onto the weights and inputs of a network; its layers keep their classes."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from types import NoneType
from typing import TypeVar

from torch import Tensor, nn
from torch.nn.utils import parametrize

from ..arguments import check_flag, check_instance, check_number
from ..quantizers import Quantizer
from ..quantizers.base import InputRule
from .attached import Switch
from .inputs import attach
from .layer_table import NOTE, Note
from .layers import find_layers, reasons_to_skip
from .rules import fitted, observe, rebuild
from .shortcuts import shortcut_convolutions

Model = TypeVar("Model", bound=nn.Module)


def quantize(
    model: Model,
    *,
    weights: Quantizer | None,
    activations: Quantizer | None = None,
    sample: Tensor | None = None,
    rules: Mapping[str, str | None] | None = None,
    skip: Sequence[str] = (),
    quantize_downsampling: bool = True,
    quantize_first_last: bool = False,
    recompute: int | float = 0.6,
) -> Model:
    """Quantize the weights and inputs of every convolution and linear layer of ``model``, in place; return it.

    ``weights`` and ``activations`` are prototypes, copied for each layer; ``None`` leaves that side in full precision.
    Weight quantizers are initialised from the weights they sit on. ``sample``, a batch of images, goes once through the
    float network in eval mode: what arrives at a layer chooses the form of its activation quantizer and initialises it
    (:func:`~aoqlab.surgery.rules.rule_for`). ``rules`` (layer -> rule, as in the audit table) does without, for a
    network whose state is loaded next.

    Left alone: the first convolution and the last linear layer unless ``quantize_first_last``; layers whose name
    matches a shell pattern in ``skip``; with ``quantize_downsampling=False`` 1x1 convolutions on shortcuts, which a run
    on ``sample`` or on zeros finds (a warning says if there are none); children of ``nn.MultiheadAttention``, which
    never calls them. :func:`~aoqlab.surgery.quantized_layers` says which and why.

    ``recompute``, from 0 to 1: the share of layers whose quantized inputs are computed again in the backward pass
    rather than kept (see :class:`~aoqlab.surgery.inputs.Recipe`), the same to the bit; more takes less memory and more
    time. Make optimizers afterwards: the quantizers bring parameters. Raises ``ValueError`` before anything is changed:
    for patterns that match no layer, a model that is quantized already or has nothing to quantize, weights or
    activations that no step can come from.
    """
    check_number("recompute", recompute)
    check_flag("quantize_downsampling", quantize_downsampling)
    check_flag("quantize_first_last", quantize_first_last)
    for name, prototype in (("weights", weights), ("activations", activations)):
        check_instance(name, prototype, (Quantizer, NoneType), "a quantizer such as AOQ(2), or None")
    if weights is not None and weights.absorbs_relu:
        raise ValueError(f"weights need levels on both sides of 0, got the unsigned {weights!r}; try AOQ or LSQ")
    check_instance("sample", sample, (Tensor, NoneType), "a batch of images, a tensor, or None")
    layers = find_layers(model)
    if any(isinstance(m, Switch) for m in model.modules()):
        raise ValueError(f"{type(model).__name__} is quantized already; start from the float model")
    if not layers:
        raise ValueError(f"{type(model).__name__} has no convolution and no linear layer; there is nothing to quantize")
    shortcuts = set() if quantize_downsampling else shortcut_convolutions(model, sample)
    reasons = reasons_to_skip(model, skip, shortcuts, quantize_first_last)
    chosen = {name: layer for name, layer in layers.items() if name not in reasons}
    if not chosen and (weights is not None or activations is not None):
        by_reason = {reason: [name for name in reasons if reasons[name] == reason] for reason in reasons.values()}
        told = "; ".join(
            f"{', '.join(names[:3])}{' and more' * (len(names) > 3)}: {reason}" for reason, names in by_reason.items()
        )
        raise ValueError(f"nothing is left to quantize in {type(model).__name__} ({told}); skip fewer layers")

    if not quantize_downsampling and not shortcuts:
        warnings.warn(
            f"quantize_downsampling=False changes nothing: {type(model).__name__} has no 1x1 convolution on a shortcut",
            stacklevel=2,
        )
    on_weights: dict[str, Quantizer] = {}
    if weights is not None:
        for name, layer in chosen.items():
            on_weights[name] = fitted(copy.deepcopy(weights), layer.get_parameter("weight").detach(), name)
    on_inputs: dict[str, tuple[InputRule, Quantizer]] = {}
    if activations is not None:
        if activations.per_channel:
            raise ValueError(
                f"activations cannot be quantized per channel, got {activations!r}; "
                "the first axis of an input is the batch"
            )
        if rules is not None:
            on_inputs = rebuild(chosen, activations, rules)
        elif sample is not None:
            on_inputs = observe(model, chosen, activations, sample)
        else:
            raise ValueError("activation quantizers need sample=, a batch of images, to be chosen and initialised from")

    for name, layer in layers.items():
        reason, rule = reasons.get(name, ""), ""
        if name in on_weights:
            parametrize.register_parametrization(layer, "weight", Switch(on_weights[name]), unsafe=True)
        if name in on_inputs:
            rule, quantizer = on_inputs[name]
            place = list(on_inputs).index(name)
            # Spread evenly, so that large and small inputs are among both.
            attach(layer, quantizer, int((place + 1) * recompute) > int(place * recompute))
        elif name in chosen and activations is not None:
            reason = "input only: its forward did not run on the sample"
        if name in chosen and weights is None and activations is None:
            reason = "full precision"
        setattr(layer, NOTE, Note(rule, reason))
    return model
