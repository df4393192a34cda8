"""How learned step sizes move from step to step."""

from __future__ import annotations

import torch
from torch import Tensor


def movement(series: Tensor) -> dict[str, Tensor]:
    """Return how the step sizes s of L layers, (T + 1, L) after 0 ... T steps, moved: name -> (L,).

    With D_t = s_t - s_{t-1}:

    * ``interval``: s at the end;
    * ``movement``: sum |D_t| / mean |s|, the total variation as a share of the value;
    * ``detrended_movement``: sum |D_t - mean D| / mean |s|, so that a steady widening counts as none;
    * ``reversal_rate``: share of steps at which D changes its sign, among those where it moves at all;
    * ``lag1_correlation``: correlation of D_t with D_{t-1}; negative where steps take back what the last one did.
    """
    moves = series.diff(dim=0)
    size = series.abs().mean(0).clamp_min(1e-30)
    trend = moves.mean(0) if len(moves) else torch.zeros_like(size)
    still = moves[moves.abs().sum(1) > 0] if len(moves) else moves
    turned = (still[1:] * still[:-1] < 0).double().mean(0) if len(still) > 1 else torch.zeros_like(size)
    centred = moves - trend
    spread = centred.square().sum(0)
    lagged = (centred[1:] * centred[:-1]).sum(0)
    return {
        "interval": series[-1],
        "movement": moves.abs().sum(0) / size,
        "detrended_movement": centred.abs().sum(0) / size,
        "reversal_rate": turned,
        "lag1_correlation": torch.where(spread > 0, lagged / spread.clamp_min(1e-300), torch.zeros_like(spread)),
    }
