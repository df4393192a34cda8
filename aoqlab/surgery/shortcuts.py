"""The 1x1 convolutions on shortcuts of residual blocks, found by what a network computes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node, saved_tensors_hooks

from .forward import forward
from .layers import Conv, find_layers

SUMS = ("AddBackward", "AddcmulBackward", "SubBackward", "torch::autograd::CopySlices")
"""Operations that add two values; the last one is ``x += y`` on a view."""


def data_flow(model: nn.Module, sample: Tensor | None) -> tuple[dict[Node, list[Node]], dict[Node, str]]:
    """Run ``model`` once in eval mode; return the operations on its input, and which of them are layers.

    The first maps an operation to the operations that it reads, with parameters left out.
    """
    made: dict[Node, str] = {}

    def listen(name: str) -> Any:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.grad_fn is not None:
                made[output.grad_fn] = name

        return hook

    handles = [layer.register_forward_hook(listen(name)) for name, layer in find_layers(model).items()]
    try:
        # Nothing is kept for a backward pass, which never comes.
        with torch.enable_grad(), saved_tensors_hooks(lambda t: None, lambda t: t):
            x, output = forward(model, sample, "quantize_downsampling=False looks for shortcuts")
    finally:
        for handle in handles:
            handle.remove()
    return _reads(output, x), made


def _tensors(output: Any) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, dict):
        yield from _tensors(list(output.values()))
    elif isinstance(output, (list, tuple)):
        for one in output:
            yield from _tensors(one)


def _reads(output: Any, x: Tensor) -> dict[Node, list[Node]]:
    """Return the operations between ``x`` and ``output``, each after the operations that it reads."""
    reads: dict[Node, list[Node]] = {}
    seen: set[Node] = set()
    waiting = [(t.grad_fn, False) for t in _tensors(output) if t.grad_fn is not None]
    while waiting:
        node, done = waiting.pop()
        before = [n for n, _ in node.next_functions if n is not None]
        if done:
            if getattr(node, "variable", None) is x or any(n in reads for n in before):
                reads[node] = [n for n in before if n in reads]
        elif node not in seen:
            seen.add(node)
            waiting += [(node, True), *((n, False) for n in before if n not in seen)]
    return reads


def shortcut_convolutions(model: nn.Module, sample: Tensor | None = None) -> set[str]:
    """Return the names of the 1x1 convolutions on shortcuts, in one eval-mode forward pass.

    The output of such a convolution, through no further layer and no matrix product, is added to a value that other
    layers computed from what the convolution reads. What it reads may be pooled or pass a depthwise convolution before.
    Parallel branches of one convolution each, as in RepVGG, count where the block changes channels or size.
    """
    layers = find_layers(model)
    pointwise = {n for n, m in layers.items() if isinstance(m, Conv) and set(m.kernel_size) == {1}}
    if not pointwise:
        return set()
    reads, made = data_flow(model, sample)
    read_by: dict[Node, list[Node]] = defaultdict(list)
    for node, before in reads.items():
        for n in before:
            read_by[n].append(node)
    weighted = {n for n in reads if n in made or n.name().startswith("Convolution")}
    depthwise = {n for n in weighted if getattr(layers.get(made.get(n, "")), "groups", 1) > 1}
    sums = {n for n in reads if len(reads[n]) > 1 and n.name().startswith(SUMS)}

    def above(starts: Iterable[Node], stops: set[Node]) -> set[Node]:
        """Return ``starts`` and all that they read, up to and including ``stops``."""
        found, waiting = set[Node](), list(starts)
        while waiting:
            node = waiting.pop()
            if node not in found:
                found.add(node)
                waiting += [] if node in stops else reads[node]
        return found

    def spreads(node: Node) -> bool:
        return node not in made or set(getattr(layers[made[node]], "kernel_size", (1,))) != {1}

    def resizes(node: Node) -> bool:
        return node in made and set(getattr(layers[made[node]], "stride", (1,))) != {1}

    def is_shortcut(node: Node) -> bool:
        source = above(reads[node], (weighted - depthwise) | sums)
        ends = {node} | source
        layer: Any = layers[made[node]]
        waiting = [(node, user) for user in read_by[node]]
        while waiting:
            came, user = waiting.pop()
            if user in sums:
                others = [n for n in reads[user] if n is not came]
                if (above(others, weighted | sums) - weighted) & source:
                    continue  # the other side is the shortcut, and this is the end of the block's own path
                around = above(others, ends) & (weighted - ends)
                path = {n for n in around if above(reads[n], ends) & source}
                changes = layer.in_channels != layer.out_channels or any(map(resizes, {node} | path))
                longer = any(above(reads[n], ends) & path for n in path)
                if longer or (changes and any(map(spreads, path))):
                    return True
                waiting += [(user, further) for further in read_by[user] if further in sums]
            elif len(reads[user]) == 1 and user not in weighted and "mm" not in user.name().lower():
                waiting += [(user, further) for further in read_by[user]]
        return False

    return {name for node, name in made.items() if node in reads and name in pointwise and is_shortcut(node)}
