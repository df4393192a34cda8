"""How much of a network is quantized: its parameters and multiply-adds at each number of bits."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.backends import cudnn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.parameter import UninitializedParameter
from torch.utils.flop_counter import FlopCounterMode

from .attached import Switch, quantizers_disabled, weight_switch
from .forward import forward
from .layer_table import layer_weight, note_of
from .layers import find_layers

Shares = dict[str, dict[int, float]]


def bit_shares(model: nn.Module, sample: Tensor | None = None) -> Shares:
    """Return ``{"parameters": {bits: share}, "multiply_adds": {bits: share}}``, fewest bits first.

    A weight has the bits of its quantizer where one is on, otherwise the bits of its type. The shares of parameters add
    up to 1, and so do the shares of multiply-adds; parameters of quantizers do not count. One image, from ``sample`` or
    of zeros, goes through the network; convolutions, linear layers and matrix products are counted.
    """
    bits_of = {}
    for layer in find_layers(model).values():
        switch = weight_switch(layer)
        bits = switch.quantizer.bits if switch is not None and switch.enabled else note_of(layer).folded_bits
        if bits is not None:
            bits_of[layer] = bits
    own = {p for m in model.modules() if isinstance(m, Switch) for p in m.parameters()}
    rounded = {layer_weight(layer): bits for layer, bits in bits_of.items()}
    parameters: Counter[int] = Counter()
    for p in model.parameters():
        if p not in own and not isinstance(p, UninitializedParameter):
            parameters[rounded.get(p, 8 * p.element_size())] += p.numel()

    multiply_adds: Counter[int] = Counter()

    def count(layer: nn.Module, args: Any, output: Tensor) -> None:
        weight = layer_weight(layer)
        multiply_adds[bits_of[layer]] += output.numel() * weight[0].numel()

    handles = [layer.register_forward_hook(count) for layer in bits_of]
    try:
        with quantizers_disabled(model), torch.no_grad(), _plain_products():
            x, _ = forward(model, sample, "multiply-adds are counted")
            multiply_adds.clear()  # also of inputs that failed
            with FlopCounterMode(display=False) as flops:
                forward(model, x, "multiply-adds are counted")
    finally:
        for handle in handles:
            handle.remove()
    multiply_adds[8 * x.element_size()] += max(0, flops.get_total_flops() // 2 - multiply_adds.total())
    found = {"parameters": parameters, "multiply_adds": multiply_adds}
    return {
        what: {bits: n / counts.total() for bits, n in sorted(counts.items()) if n} for what, counts in found.items()
    }


@contextmanager
def _plain_products() -> Iterator[None]:
    """Compute attention and recurrent layers from matrix products, which are counted, and not in one call each."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings(), sdpa_kernel(SDPBackend.MATH), cudnn.flags(enabled=False):
            warnings.filterwarnings("ignore", message="TF32 acceleration")  # of a setting that the next line leaves
            with torch.backends.mkldnn.flags(enabled=False):
                yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def shares_text(shares: Shares) -> str:
    """Return the shares as one line."""
    parts = []
    for what, of in shares.items():
        each = ", ".join(f"{share:.1%} at {bits} bits" for bits, share in of.items())
        parts.append(f"{what.replace('_', '-')}: {each or 'none'}")
    return "; ".join(parts)
