"""Folding: the quantized network as a plain one, weights on their levels."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import nn
from torch.nn.utils import parametrize

from ..arguments import check_instance
from .attached import weight_sites, weight_switch
from .layer_table import NOTE, Note, method_of, note_of

Model = TypeVar("Model", bound=nn.Module)


@torch.no_grad()
def fold(model: Model) -> Model:
    """Return a copy whose weights are ordinary parameters ``levels[codes]``; it computes the same outputs bit for bit.

    Layers get their own class back and their weight its own name in ``state_dict``. Weights whose quantizer is disabled
    stay float. Quantizers of inputs stay, because what they round is not known before the images are.
    """
    folded = copy.deepcopy(check_instance("model", model, nn.Module, "a network (torch.nn.Module)"))
    for site in weight_sites(folded).values():
        layer, switch, weight = site.module, weight_switch(site.module), site.latent
        assert switch is not None
        if switch.enabled:
            values = site.quantizer.decode(site.quantizer.encode(weight)).to(weight)
            weight = nn.Parameter(values, weight.requires_grad)
            note, method = note_of(layer), f"{method_of(site.quantizer)}, folded"
            setattr(layer, NOTE, Note(note.rule, note.why_skipped, method, site.quantizer.bits))
        _put_back(layer, weight)
    return folded


def _put_back(layer: nn.Module, weight: nn.Parameter) -> None:
    """Undo the parametrization of a layer's weight.

    Torch's ``remove_parametrizations`` would take the property off the class, which the layer copied from still needs.
    """
    others = dict(layer.named_parameters(recurse=False))
    layer.__class__ = parametrize.type_before_parametrizations(layer)
    del layer.parametrizations
    for name in others:
        delattr(layer, name)
    for name, parameter in {"weight": weight, **others}.items():  # the weight first, where it was
        layer.register_parameter(name, parameter)
