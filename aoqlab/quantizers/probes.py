"""Probes: what a quantizer does to given values, in numbers: its error, the use of its levels, its gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    import pandas as pd


def quantization_error(x: Tensor, codes: Tensor, levels: Tensor) -> dict[str, float]:
    """How well ``levels[codes]`` stands for ``x``, and how evenly the levels are used.

    * ``mse``: ``mean((x_hat - x)^2)``, in squared units of ``x``;
    * ``sqnr_db``: signal to quantization noise ratio ``10 log10(mean(x^2) / mse)``, in decibels (infinite at no error);
    * ``entropy_bits``: ``-sum_i p_i log2 p_i`` over the share p_i of values at level i, at most the number of bits.

    x: any shape, not empty; codes: the same shape, integers; levels: (n,). Computed in float64.
    """
    if x.shape != codes.shape or not x.numel():
        raise ValueError(f"need values and their codes, got shapes {tuple(x.shape)} and {tuple(codes.shape)}")
    values, index = x.detach().double(), codes.long()
    mse = (levels.detach().double()[index] - values).square().mean()
    shares = torch.bincount(index.flatten(), minlength=len(levels)) / index.numel()
    return {
        "mse": float(mse),
        "sqnr_db": float(10 * torch.log10(values.square().mean() / mse)),
        "entropy_bits": float(torch.special.entr(shares.double()).sum() / torch.log(torch.tensor(2.0))),
    }


def gradient_table(quantizer: nn.Module, x: Tensor) -> pd.DataFrame:
    """Value and gradients of a quantizer at single points, as autograd gives them: a row per point.

    Columns: ``x``, ``value``, ``d_x`` and, for every parameter p, ``d_p``; of a parameter with several entries
    ``d_p[0]``, ``d_p[1]``, ... One backward pass is made per point, so that no row depends on another. x: (n,).
    """
    import pandas as pd

    parameters = {name: p for name, p in quantizer.named_parameters() if p.requires_grad}
    rows = []
    for point in x.detach().split(1):
        point = point.clone().requires_grad_()
        value = quantizer(point)
        of_x, *others = torch.autograd.grad(value.sum(), [point, *parameters.values()])
        row = {"x": point.item(), "value": value.item(), "d_x": of_x.item()}
        for name, gradient in zip(parameters, others, strict=True):
            entries = gradient.flatten().tolist()
            single = gradient.ndim == 0
            row |= {f"d_{name}" if single else f"d_{name}[{i}]": entry for i, entry in enumerate(entries)}
        rows.append(row)
    return pd.DataFrame(rows)
