"""The quantizer on the input of a layer, and how what it computes is not kept for the backward pass."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from ..quantizers import Quantizer
from .rules import layer_input
from .sites import INPUT, Switch, input_switch

RECIPE = "_aoqlab_recipe"


class Recipe:
    """How to compute a quantized input again: the quantizer and the float input, which is kept in any case.

    The layer would keep ``q(x)`` beside the ``x`` that the activation function before it keeps, and a
    :class:`~aoqlab.quantizers.Shifted` quantizer ``x + z`` as well. Quantizers stream memory, so they run again in the
    backward pass instead, with the same result bit for bit. Like autograd, raises ``RuntimeError`` if x or a parameter
    has been modified in between.
    """

    def __init__(self, quantizer: Quantizer, x: Tensor) -> None:
        self.quantizer, self.x = quantizer, x
        self.versions = [(t, t._version) for t in (x, *quantizer.parameters())]
        self.inner = 0
        self.kept: dict[int, Tensor] = {}

    def output(self) -> Tensor:
        """``q(x)``; what its own backward pass needs is kept until it asks, which is next."""
        now = (self.x, *self.quantizer.parameters())
        if any(t is not old or t._version != version for t, (old, version) in zip(now, self.versions, strict=True)):
            raise RuntimeError(
                "the input of a quantized layer, or a parameter of its quantizer, was modified between the forward and "
                "the backward pass; call backward() before the optimizer's step"
            )
        with torch.set_grad_enabled(self.inner > 0):
            x = self.x.detach().requires_grad_(self.x.requires_grad and self.inner > 0)
            out = self.quantizer(x)
            if self.inner:
                self.kept = {i: t.detach() for i, (t, _) in enumerate(_kept_by_quantizer(out, x))}
        return out.detach()

    def saved(self, index: int) -> Tensor:
        """The ``index``-th big tensor that the quantizer itself saved."""
        if index not in self.kept:
            self.output()
        return self.kept.pop(index)


@functools.cache
def _raw_names(kind: type) -> tuple[str, ...]:
    """Attributes of this kind of node of the graph that hold saved tensors."""
    return tuple(name for name in dir(kind) if name.startswith("_raw_saved_") and name != "_raw_saved_tensors")


def _saved_between(out: Tensor, source: Tensor) -> Iterator[tuple[Tensor, Any]]:
    """Tensors saved by the operations from ``source`` to ``out``, each with the handle that takes hooks."""
    todo: list[Any] = [out.grad_fn]
    seen = {source.grad_fn, None}
    while todo:
        node = todo.pop(0)
        if node in seen:
            continue
        seen.add(node)
        if hasattr(node, "_raw_saved_tensors"):  # an autograd.Function written in Python
            yield from zip(node.saved_tensors, node._raw_saved_tensors, strict=True)
        for name in _raw_names(node.__class__):
            value = getattr(node, name.removeprefix("_raw"))
            if isinstance(value, Tensor):
                yield value, getattr(node, name)
        todo += [following for following, _ in node.next_functions]


def _storage(x: Tensor) -> int:
    return x.untyped_storage().data_ptr()


def _kept_by_quantizer(out: Tensor, x: Tensor) -> Iterator[tuple[Tensor, Any]]:
    """What a quantizer saved, beside its input, that is about as large as that."""
    for tensor, raw in _saved_between(out, x):
        if _storage(tensor) != _storage(x) and 2 * tensor.nbytes > x.nbytes:
            yield tensor, raw


def _applies(x: Tensor, out: Tensor) -> bool:
    """Whether to compute again later. Compilers decide for themselves, and hooks around the model come first."""
    return (
        out is not x
        and type(x) is Tensor
        and type(out) is Tensor
        and torch.is_grad_enabled()
        and torch._C._autograd._top_saved_tensors_default_hooks(True) is None
    )


def quantize_input(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Forward pre-hook: the input of ``module`` goes through its quantizer."""
    switch = input_switch(module)
    assert switch is not None
    x = layer_input(args, kwargs)
    out = switch(x)
    if switch.recompute and not torch.compiler.is_compiling() and _applies(x, out):
        recipe = Recipe(switch.quantizer, x)
        for index, (_, raw) in enumerate(list(_kept_by_quantizer(out, x))):
            raw.register_hooks(lambda _, i=index: i, recipe.saved)
            recipe.inner += 1
        setattr(out, RECIPE, recipe)
    return ((out, *args[1:]), kwargs) if args else (args, {**kwargs, "input": out})


def forget_input(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
    """Forward hook: what the layer saved of its quantized input is replaced by the recipe."""
    if torch.compiler.is_compiling():
        return
    x = layer_input(args, kwargs)
    recipe = x.__dict__.pop(RECIPE, None)
    if recipe is None or not isinstance(output, Tensor):
        return
    for tensor, raw in _saved_between(output, x):
        if _storage(tensor) == _storage(x) and tensor.dtype == x.dtype:
            view = tensor.size(), tensor.stride(), tensor.storage_offset()
            raw.register_hooks(lambda _: recipe, lambda r, view=view: r.output().as_strided(*view))
            return


def rectified(x: Tensor, reader: nn.Module) -> Tensor:
    """``relu(x)`` for ``reader``, the only one to read it; ``x`` itself where the quantizer there makes no difference.

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
        module.register_forward_hook(forget_input, with_kwargs=True)
