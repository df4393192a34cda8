"""The quantizer on the input of a layer, whose result is computed again in the backward pass instead of kept."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import disable_saved_tensors_hooks, saved_tensors_hooks

from ..quantizers import Quantizer
from .attached import INPUT, Switch, input_switch
from .rules import layer_input

HOOKS = "_aoqlab_hooks"
"""Attribute of a quantized input: the context that holds while its layer runs."""
MODIFIED = (
    "the input of a quantized layer, or a parameter there, was modified between the forward and the backward pass; "
    "call backward() before the optimizer's step"
)


class Unchanged:
    """A saved tensor that must be the same in the backward pass: hooks take that check away from autograd."""

    def __init__(self, x: Tensor) -> None:
        self.x, self.version = x.detach(), x._version  # detached, or a saved output would keep its own node

    def get(self) -> Tensor:
        """Return the tensor, or raise ``RuntimeError`` where it was modified."""
        if self.x._version != self.version:
            raise RuntimeError(MODIFIED)
        return self.x


class Recipe:
    """How to compute a quantized input again: the quantizer and the float input, which is kept in any case.

    The layer would keep ``q(x)`` next to the ``x`` that the activation function before it keeps, and a
    :class:`~aoqlab.quantizers.Shifted` quantizer ``x + z`` as well. Quantizers stream memory, so they run again in the
    backward pass instead, with the same result bit for bit. Like autograd, raises ``RuntimeError`` if x or a parameter
    has been modified in between.

    Autograd hands every tensor that it saves to ``pack_inner`` while the quantizer runs and to ``pack_layer`` while the
    layer runs, and what they return to ``unpack`` in the backward pass.
    """

    def __init__(self, quantizer: Quantizer, x: Tensor) -> None:
        self.quantizer, self.x = quantizer, x
        self.inputs = [Unchanged(t) for t in (x, *quantizer.parameters())]
        self.inner = 0
        self.kept: dict[int, Tensor] = {}
        self.storage = 0

    def run(self) -> Tensor:
        """Quantize, and let go of the big tensors that the quantizer saved; return ``q(x)``."""
        with saved_tensors_hooks(self.pack_inner, self.unpack):
            out: Tensor = self.quantizer(self.x)
        self.storage = _storage(out)
        return out

    def _is_big(self, saved: Tensor) -> bool:
        """Return whether a tensor that the quantizer saved is about as large as its input, but another."""
        return _storage(saved) != _storage(self.x) and 2 * saved.nbytes > self.x.nbytes

    def pack_inner(self, saved: Tensor) -> object:
        """Replace each big tensor that the quantizer saves by its number."""
        if not self._is_big(saved):
            return Unchanged(saved)
        self.inner += 1
        return self.inner - 1

    def pack_layer(self, saved: Tensor) -> object:
        """Replace the quantized input that the layer saves by how it was a view of ``q(x)``."""
        if _storage(saved) == self.storage and saved.dtype == self.x.dtype:
            return saved.size(), saved.stride(), saved.storage_offset()
        return Unchanged(saved)

    def unpack(self, packed: Any) -> Tensor:
        """Return the tensor that one of the two above was given."""
        if isinstance(packed, Unchanged):
            return packed.get()
        if isinstance(packed, tuple):
            return self.output().as_strided(*packed)
        if packed not in self.kept:
            self.output()
        return self.kept.pop(packed)

    def output(self) -> Tensor:
        """Return ``q(x)``; what its own backward pass needs is kept until it asks, which is next."""
        for kept in self.inputs:
            kept.get()
        with torch.set_grad_enabled(self.inner > 0), saved_tensors_hooks(self._keep, lambda t: t):
            self.kept = {}
            x = self.x.detach().requires_grad_(self.x.requires_grad and self.inner > 0)
            return self.quantizer(x).detach()

    def _keep(self, saved: Tensor) -> Tensor:
        if self._is_big(saved):
            self.kept[len(self.kept)] = saved.detach()
        return saved.detach()


def _storage(x: Tensor) -> int:
    return x.untyped_storage().data_ptr()


def _may_hook() -> bool:
    """Return whether saved tensors may get hooks here: not where the caller has hooks, or has forbidden them."""
    try:
        with disable_saved_tensors_hooks("asking whether there are hooks"):  # refused where there are
            pass
        with saved_tensors_hooks(lambda t: t, lambda t: t):  # refused where they are forbidden
            return True
    except RuntimeError:
        return False


def quantize_input(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Pass the input of ``module`` through its quantizer (a forward pre-hook)."""
    switch = input_switch(module)
    assert switch is not None
    x = layer_input(args, kwargs)
    again = switch.recompute and switch.enabled and not torch.compiler.is_compiling()
    if again and type(x) is Tensor and torch.is_grad_enabled() and _may_hook():
        recipe = Recipe(switch.quantizer, x)
        out = recipe.run()
        hooks = saved_tensors_hooks(recipe.pack_layer, recipe.unpack)
        hooks.__enter__()  # until the layer has run: see leave_hooks
        setattr(out, HOOKS, hooks)
    else:
        out = switch(x)
    return ((out, *args[1:]), kwargs) if args else (args, {**kwargs, "input": out})


def leave_hooks(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
    """End what :func:`quantize_input` began (a forward hook, called even where the layer fails)."""
    if torch.compiler.is_compiling():
        return
    hooks = layer_input(args, kwargs).__dict__.pop(HOOKS, None)
    if hooks is not None:
        hooks.__exit__()


def rectified(x: Tensor, reader: nn.Module) -> Tensor:
    """Return ``relu(x)`` for ``reader``, its only reader; ``x`` itself where the quantizer there makes no difference.

    LTQ and unsigned LSQ send everything below zero to level 0 and give it no gradient, as relu does, so that one pass
    over the memory is enough. Values and gradients are the same to the bit.
    """
    switch = input_switch(reader)
    absorbed = switch is not None and switch.enabled and switch.quantizer.absorbs_relu
    return x if absorbed else torch.relu(x)


def attach(module: nn.Module, quantizer: Quantizer, recompute: bool) -> None:
    """Give a layer a quantizer for its input: a child and module-level hooks, so that copies work."""
    module.add_module(INPUT, Switch(quantizer, recompute).train(module.training))
    module.register_forward_pre_hook(quantize_input, with_kwargs=True)
    if recompute:
        module.register_forward_hook(leave_hooks, with_kwargs=True, always_call=True)
