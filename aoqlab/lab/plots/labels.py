"""Axis labels of the columns that the package's tables share: words, symbol and unit."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

COLUMN_LABELS: Mapping[str, str] = MappingProxyType(
    {
        "step": "optimizer step $t$",
        "epoch": "epoch",
        "progress": "training progress $t$ (share of all steps)",
        "lr": r"learning rate $\eta$",
        "shrink": r"shrink factor $\alpha$",
        "shrink_min": r"smallest shrink factor $\alpha_{\mathrm{min}}$",
        "initial_step": r"initial step size $s_0$",
        "step_init": r"initial step size $s_0$",
        "threshold_interval": r"threshold interval $s_{\mathrm{th}}$",
        "level_interval": r"level interval $s_{\mathrm{le}}$",
        "bits": "bits $b$",
        "loss": r"loss $\mathcal{L}$",
        "mse": "mean squared error",
        "accuracy": "accuracy (share of samples)",
        "test_accuracy": "accuracy (share of test images)",
        "accuracy_start": "accuracy in full precision (share of samples)",
        "true_codes": "true codes (share of weights)",
        "crossings": "thresholds crossed",
        "crossings_per_weight": "thresholds crossed per weight",
        "oscillations": "oscillations (crossings back)",
        "oscillating_share": "oscillating weights (share)",
        "frequency": "oscillation frequency $f$ (per step)",
        "changed_share": "weights whose code ever changed (share)",
        "hamming": "codes that differ from the start (share)",
        "hamming_share": "codes that differ from the start (share)",
        "explored_volume": "explored log-volume (share)",
        "share": "share of weights",
        "weight": "weight $w$",
        "level": r"level $\hat w$",
        "crossings_per_step": "thresholds crossed per weight and step",
        "crossings_per_step_in_epoch": "thresholds crossed per weight and step",
        "deep_share": "starts that end in the deep basin (share)",
        "oscillating_share_mean": "oscillating weights (share), mean over time",
        "error": "error",
        "crossings_rate": "thresholds crossed\n(per weight and 1000 steps)",
        "per_crossing": "explored log-volume\nper threshold crossed (share)",
        "crossings_shrink": "thresholds crossed in the first fifth\n(per weight and 1000 steps)",
        "oscillations_shrink": "crossings back in the first fifth\n(per weight and 1000 steps)",
        "overlap": "overlap of pre-trained weights per final level",
        "movement": "movement of the step size\n(share of itself, per 1000 steps)",
        "detrended_movement": "movement without trend\n(share of itself, per 1000 steps)",
        "method": "method",
        "arch": "network",
    }
)


def column_label(name: str) -> str:
    """The axis label of a column; a column nobody has named is its own name with spaces for underscores."""
    return COLUMN_LABELS.get(name, name.replace("_", " "))
