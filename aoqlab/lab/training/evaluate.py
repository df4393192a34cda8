"""Loss and accuracy on the test images, and batch-norm statistics measured again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .distributed import total

Batches = Iterable[tuple[Tensor, Tensor]]
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
Context = Callable[[], AbstractContextManager[object]]


@torch.no_grad()
def evaluate(
    model: nn.Module,
    batches: Batches,
    *,
    device: torch.device | str = "cpu",
    world: int = 1,
    context: Context = nullcontext,
) -> tuple[float, float]:
    """Return mean cross-entropy and share of images classified right, in eval mode; the model's mode is put back.

    ``batches`` are this process's share, on ``device``; with ``world`` processes the sums of all are taken. ``context``
    is entered around each forward pass (mixed precision).
    """
    was_training = model.training
    model.eval()
    sums = torch.zeros(3, dtype=torch.float64, device=device)
    for images, labels in batches:
        with context():
            logits = model(images)
        sums[0] += F.cross_entropy(logits.float(), labels, reduction="sum")
        sums[1] += (logits.argmax(1) == labels).sum()
        sums[2] += len(labels)
    model.train(was_training)
    loss, right, count = total(sums, world).tolist()
    if not count:
        raise ValueError("there is no batch to evaluate on")
    return loss / count, right / count


@torch.no_grad()
def reestimate_batch_norm(model: nn.Module, batches: Batches, *, context: Context = nullcontext) -> int:
    """Replace running statistics, which oscillating weights corrupt, by the plain average over ``batches``.

    Returns the number of batch-norm layers; without any, nothing is computed. Source: Nagel et al., ICML 2022.
    """
    norms = [m for m in model.modules() if isinstance(m, BATCH_NORMS) and m.track_running_stats]
    if not norms:
        return 0
    kept = [m.momentum for m in norms]
    modes = {m: m.training for m in model.modules()}
    model.eval()  # dropout and the like stay off
    for m in norms:
        m.reset_running_stats()
        m.momentum = None  # cumulative average
        m.train()
    try:
        for images, _ in batches:
            with context():
                model(images)
    finally:
        for m, momentum in zip(norms, kept, strict=True):
            m.momentum = momentum
        for module, mode in modes.items():
            module.training = mode
    return len(norms)
