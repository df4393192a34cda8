"""The interval explorer's picture for print: histogram, staircase and occupancy of the levels."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from torch import Tensor

from ....quantizers import UniformQuantizer
from ...plots import column_label, level_colors, staircase, weight_histogram


def drawn(quantizer: UniformQuantizer, values: Tensor, counts: Tensor, reach: float, method: str) -> Figure:
    """Draw the three side by side; weights from ``-reach`` to ``reach``."""
    cuts, levels = quantizer.thresholds().numpy(), quantizer.levels().numpy()
    edges = np.linspace(-reach, reach, 201)
    heights, _ = np.histogram(values.numpy(), bins=edges, weights=counts.numpy())
    shares = np.bincount(quantizer.encode(values).numpy(), counts.numpy(), minlength=len(levels)) / float(counts.sum())
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=[1.3, 1, 1])
    view = (-reach, reach)
    weight_histogram(heights, edges, thresholds=cuts, levels=levels, xlim=view, ax=left)
    x = np.linspace(-reach, reach, 401)
    ramp = np.clip(x, levels[0], levels[-1]) if quantizer.clips else x
    staircase(cuts, levels, xlim=view, ste=(x, ramp), method=method, ax=middle).set_ylim(-reach, reach)
    right.bar(range(len(shares)), shares, width=0.9, color=level_colors(len(shares)))
    dashed: Any = (0, (5, 2.5))
    right.axhline(1 / len(shares), color="#333333", linewidth=0.9, linestyle=dashed, label="all levels alike")
    right.set(xlabel="code", ylabel=column_label("share"), ylim=(0, 1.2 * right.get_ylim()[1]))  # room for the legend
    right.xaxis.set_major_locator(MaxNLocator(9, integer=True))
    right.yaxis.set_major_formatter(PercentFormatter(1.0))
    right.legend(loc="upper right")
    return figure
