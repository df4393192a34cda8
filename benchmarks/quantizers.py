"""Forward plus backward of the quantizers, against a copy of the tensor, ReLU, and their eager path compiled by Torch.

``bash run.sh bench quantizers``
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import torch

from aoqlab import AOQ, LSQ, LTQ, Quantizer
from aoqlab.kernels import native

sys.path.insert(0, str(Path(__file__).parent))
from _timing import alternate, show


def gradients(quantizer: torch.nn.Module, x: torch.Tensor, gradient: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return torch.autograd.grad(quantizer(x), [x, *quantizer.parameters()], gradient)


def per_level(x: torch.Tensor, quantizer: AOQ) -> torch.Tensor:
    """Fake-quantize in the textbook form: one dense mask per level, and autograd through all of them."""
    thresholds, levels = quantizer.thresholds(), quantizer.grid.levels(quantizer.level_step)
    edges = [-torch.inf, *thresholds.tolist(), torch.inf]
    out = sum(((x >= low) & (x < high)) * level for low, high, level in zip(edges, edges[1:], levels, strict=False))
    return out + x - x.detach()


def without_kernels(run: Callable[[], object]) -> Callable[[], object]:
    """Return ``run`` on the eager path, compiled or not: Torch cannot trace the kernels."""

    def eager() -> object:
        with patch.object(native, "available", lambda *_: False):
            return run()

    return eager


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
    for name, quantizer in (("AOQ(2)", AOQ(2)), ("LSQ(2)", LSQ(2))):
        quantizer.init_from(x)
        compiled = torch.compile(quantizer)
        for rival, module in (("torch.compile of the eager path", compiled), ("the eager path", quantizer)):
            timing = alternate(
                lambda q=quantizer: gradients(q, x, gradient),
                without_kernels(
                    lambda q=quantizer, m=module: torch.autograd.grad(m(x), [x, *q.parameters()], gradient)
                ),
                repeats=9,
            )
            rows.append((f"{name} forward + backward, 10 M weights", rival, *timing, "< 1"))
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
