"""Forward plus backward of the quantizers, against a copy of the tensor and against ReLU.

``bash run.sh bench quantizers``
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from aoqlab import AOQ, LSQ, LTQ, Quantizer

sys.path.insert(0, str(Path(__file__).parent))
from _timing import alternate, show


def gradients(quantizer: torch.nn.Module, x: torch.Tensor, gradient: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return torch.autograd.grad(quantizer(x), [x, *quantizer.parameters()], gradient)


def per_level(x: torch.Tensor, quantizer: AOQ) -> torch.Tensor:
    """The textbook form: one dense mask per level, and autograd through all of them."""
    thresholds, levels = quantizer.thresholds(), quantizer.grid.levels(quantizer.level_step)
    edges = [-torch.inf, *thresholds.tolist(), torch.inf]
    out = sum(((x >= low) & (x < high)) * level for low, high, level in zip(edges, edges[1:], levels, strict=False))
    return out + x - x.detach()


def main() -> None:
    torch.manual_seed(0)
    rows = []
    x = torch.randn(10_000_000, requires_grad=True)
    gradient = torch.randn_like(x)
    weight_quantizers: list[tuple[str, Quantizer, str]] = [
        *((f"AOQ({bits})", AOQ(bits), "<= 2") for bits in (2, 4, 8)),
        *((f"LSQ({bits})", LSQ(bits), "") for bits in (2, 8)),
    ]
    for name, quantizer, goal in weight_quantizers:
        quantizer.init_from(x)
        timing = alternate(lambda q=quantizer: gradients(q, x, gradient), lambda: x.detach().clone())
        rows.append((f"{name} forward + backward, 10 M weights", "clone()", *timing, goal))
    quantizer = AOQ(2)
    quantizer.init_from(x)
    timing = alternate(
        lambda: gradients(quantizer, x, gradient),
        lambda: torch.autograd.grad(per_level(x, quantizer), [x, quantizer.level_interval], gradient),
        repeats=5,
    )
    rows.append(("AOQ(2) forward + backward, 10 M weights", "a mask per level, autograd", *timing, ""))
    a = torch.randn(128, 16, 32, 32, requires_grad=True)
    ga = torch.randn_like(a)
    for bits, goal in ((2, "<= 4"), (3, ""), (4, "<= 8"), (8, "")):
        ltq = LTQ(bits)
        timing = alternate(
            lambda q=ltq: gradients(q, a, ga), lambda: torch.autograd.grad(torch.relu(a), a, ga), repeats=25
        )
        rows.append((f"LTQ({bits}) forward + backward, 128x16x32x32", "relu forward + backward", *timing, goal))
    lsq = LSQ(2, signed=False)
    timing = alternate(lambda: gradients(lsq, a, ga), lambda: torch.autograd.grad(torch.relu(a), a, ga), repeats=25)
    rows.append(("LSQ(2) unsigned, 128x16x32x32", "relu forward + backward", *timing, ""))
    show(rows)


if __name__ == "__main__":
    main()
