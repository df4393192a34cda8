"""The plain way to train the toy regression: one run at a time, nn.Module, autograd, torch.optim.Adam.

It is the rival of the ensemble in ``toy.py``, and in the tests the twin that the ensemble must match.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from aoqlab import AOQ, LSQ, OscillationTracker, dampening_norm
from aoqlab.lab.toy.regression import RegressionData, RegressionProblem, RunConfig


class QuantizedLinear(nn.Module):
    """``y = X q(w)``."""

    def __init__(self, start: Tensor, config: RunConfig, bits: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(start.clone())
        quantizer = AOQ(bits, grid="mid-tread") if config.method == "aoq" else LSQ(bits, scale_gradient=False)
        self.quantizer = quantizer.to(start.dtype).init_from(start)
        if config.step_init is not None:
            for value in (*quantizer.parameters(), *quantizer.buffers()):
                if value is not getattr(quantizer, "shrink", None):
                    value.data.fill_(config.step_init)

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs @ self.quantizer(self.weight)


@dataclass
class LoopResult:
    """Latent weights, quantizer and tracker at the end, and the batch loss of every step."""

    weight: Tensor
    quantizer: nn.Module
    tracker: OscillationTracker
    losses: list[float]


def train(problem: RegressionProblem, data: RegressionData, config: RunConfig, steps: int | None = None) -> LoopResult:
    """Train one run for ``steps`` (default: all) steps; the tracker sees every one."""
    model = QuantizedLinear(data.start, config, problem.bits)
    quantizer, losses = model.quantizer, []
    optimizer = torch.optim.Adam(model.parameters(), lr=config.lr)
    tracker = OscillationTracker((problem.n_weights,), problem.bits)

    def enter(step: int) -> float:
        state = config.schedule(step / problem.steps)
        if isinstance(quantizer, AOQ):
            quantizer.set_stage(state)
        tracker.update(quantizer.encode(model.weight))
        return state.dampening if isinstance(quantizer, AOQ) else 0.0

    for step in range(problem.steps if steps is None else steps):
        strength = enter(step)
        rows = data.batches[step]
        loss = (model(data.inputs[rows]) - data.targets[rows]).square().mean()
        losses.append(loss.item())
        if strength and isinstance(quantizer, AOQ):
            loss = loss + strength * dampening_norm([model.weight], [quantizer.bin_centres(model.weight)])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    enter(problem.steps if steps is None else steps)
    return LoopResult(model.weight.detach(), quantizer, tracker, losses)
