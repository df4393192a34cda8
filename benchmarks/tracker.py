"""One tracker update against copying the codes, and one tracker for many layers against a tracker per layer.

``bash run.sh bench tracker``
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import torch

from aoqlab import AOQ, OscillationTracker
from aoqlab.ste import encode_flat

sys.path.insert(0, str(Path(__file__).parent))
from _timing import alternate, show

MOVING = 0.01  # share of weights that cross a threshold in a step


def alternating_codes(n: int, bits: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(0, 2**bits, (n,), generator=generator, dtype=torch.uint8)
    other = codes.clone()
    moved = torch.randperm(n, generator=generator)[: int(n * MOVING)]
    other[moved] = ((other[moved].int() + 1) % 2**bits).to(torch.uint8)
    return [codes, other]


def main() -> None:
    rows = []
    n = 10_000_000
    for bits in (2, 8):
        codes = itertools.cycle(alternating_codes(n, bits))
        tracker = OscillationTracker((n,), bits)
        state = torch.empty(4 * n, dtype=torch.uint8)  # the float32 frequencies every update has to renew
        timing = alternate(lambda t=tracker, c=codes: t.update(next(c)), state.clone)
        rows.append((f"update, 10 M weights, {bits} bits, 1% moving", "clone() of 4 bytes per weight", *timing, ""))
    layers, size = 200, 5_000
    pair = [c.split(size) for c in alternating_codes(layers * size, 2)]
    together = OscillationTracker({str(i): (size,) for i in range(layers)}, 2)
    apart = [OscillationTracker((size,), 2) for _ in range(layers)]
    mappings = itertools.cycle([{str(i): part for i, part in enumerate(parts)} for parts in pair])
    lists = itertools.cycle(pair)

    def separately() -> None:
        for tracker, part in zip(apart, next(lists), strict=True):
            tracker.update(part)

    timing = alternate(lambda: together.update(next(mappings)), separately)
    rows.append((f"update, {layers} layers of {size:,} weights, one tracker", f"{layers} trackers", *timing, ""))
    weights = [torch.randn(size) for _ in range(layers)]
    quantizers = [AOQ(2).init_from(weight) for weight in weights]

    def flat() -> None:
        steps = [quantizer.threshold_step for quantizer in quantizers]
        together.update_flat(encode_flat(weights, steps, quantizers[0].grid))

    def each() -> None:
        pairs = zip(quantizers, weights, strict=True)
        together.update({str(i): quantizer.encode(weight) for i, (quantizer, weight) in enumerate(pairs)})

    timing = alternate(flat, each)
    rows.append((f"encode_flat + update_flat, {layers} layers", "encode each + update", *timing, ""))
    show(rows)


if __name__ == "__main__":
    main()
