"""The 1x1 convolutions on shortcuts of residual blocks, found by what a network computes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node, saved_tensors_hooks

from .layers import Conv, find_layers

SIZES = (64, 224, 32)
"""Sizes of images that are tried where no sample is given."""
SUMS = ("AddBackward", "AddcmulBackward", "SubBackward", "torch::autograd::CopySlices")
"""Operations that add two values; the last one is ``x += y`` on a view."""


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


def example_inputs(model: nn.Module, sample: Tensor | None) -> Iterator[Tensor]:
    """Yield inputs to try: one image of ``sample`` or, without, images of zeros in the shape of the first layer."""
    parameter = next(model.parameters())
    if sample is not None:
        yield sample[:1].to(parameter.device)
        return
    first = next(iter(find_layers(model).values()))
    config = getattr(model, "pretrained_cfg", None)
    native = config.get("input_size") if isinstance(config, dict) else None
    channels = first.in_features if isinstance(first, nn.Linear) else first.in_channels
    dimensions = 0 if isinstance(first, nn.Linear) else len(first.kernel_size)  # type: ignore[arg-type]
    for size in dict.fromkeys((*SIZES, *([native[-1]] if native else []))) if dimensions else (0,):
        yield parameter.new_zeros(1, channels, *[size] * dimensions)  # type: ignore[arg-type]


def data_flow(model: nn.Module, sample: Tensor | None) -> tuple[dict[Node, list[Node]], dict[Node, str]]:
    """Run ``model`` once in eval mode; return the operations on its input, and which of them are layers.

    The first maps an operation to the operations that it reads, with parameters left out. Raises ``ValueError`` where
    the network does not run.
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
        with evaluating(model), torch.enable_grad(), saved_tensors_hooks(lambda t: None, lambda t: t):
            for x in example_inputs(model, sample):
                made.clear()
                x = x.requires_grad_() if x.is_floating_point() else x
                try:
                    output = model(x)
                except Exception as error:  # each network has its own way to fail
                    why = str(error).split("\n")[0]
                    continue
                return _reads(output, x), made
    finally:
        for handle in handles:
            handle.remove()
    raise ValueError(
        f"quantize_downsampling=False looks for shortcuts while {type(model).__name__} runs, and it does not run "
        f"({why}); give sample=, a batch of images"
    )


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

    The output of such a convolution, through no further layer, is added to a value that other layers computed from what
    the convolution reads. What it reads may be pooled or pass a depthwise convolution before.
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

    def is_shortcut(node: Node) -> bool:
        source = above(reads[node], (weighted - depthwise) | sums)
        waiting = [(node, user) for user in read_by[node]]
        while waiting:
            came, user = waiting.pop()
            if user in sums:
                others = [n for n in reads[user] if n is not came]
                identity = above(others, weighted | sums) - weighted & source
                around = above(others, {node} | source) & weighted - source - {node}
                if not identity and any(above(reads[n], {node} | source) & source for n in around):
                    return True
            if user in sums or (len(reads[user]) == 1 and user not in weighted):
                waiting += [(user, further) for further in read_by[user]]
        return False

    return {name for node, name in made.items() if node in reads and name in pointwise and is_shortcut(node)}
