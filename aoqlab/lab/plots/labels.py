"""Labels of the columns that the package's tables share (words, symbol and unit), and numbers as figures print them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import SupportsFloat

from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

COLUMN_LABELS: Mapping[str, str] = MappingProxyType(
    {
        "step": "optimizer step $t$",
        "progress": "training progress $t$ (share of all steps)",
        "lr": r"learning rate $\eta$",
        "shrink": r"shrink factor $\alpha$",
        "shrink_min": r"smallest shrink factor $\alpha_{\mathrm{min}}$",
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
        "crossings_rate": "thresholds crossed\n(per weight and 1000 steps)",
        "per_crossing": "explored log-volume\nper threshold crossed (share)",
        "crossings_shrink": "thresholds crossed in the first fifth\n(per weight and 1000 steps)",
        "oscillations_shrink": "crossings back in the first fifth\n(per weight and 1000 steps)",
        "overlap": "overlap of pre-trained weights per final level",
        "movement": "movement of the step size\n(share of itself, per 1000 steps)",
        "detrended_movement": "movement without trend\n(share of itself, per 1000 steps)",
        "arch": "network",
    }
)


def column_label(name: str) -> str:
    """Return the axis label of a column: its own name with spaces for underscores where there is none."""
    return COLUMN_LABELS.get(name, name.replace("_", " "))


def is_share(name: str) -> bool:
    """Return whether a column holds shares, which figures print in percent."""
    return "share" in column_label(name)


def label_axes(ax: Axes, x: str | None, y: str) -> None:
    """Label the axes that show these columns, with ticks in percent where they hold shares."""
    for axis, name in ((ax.xaxis, x), (ax.yaxis, y)):
        if name is not None:
            axis.set_label_text(column_label(name))
            if is_share(name):
                axis.set_major_formatter(PercentFormatter(1.0))


def format_number(value: SupportsFloat, digits: int = 3) -> str:
    """Return a number as figures print it: `digits` significant digits, a true minus sign, 10ⁿ from 10⁵ on."""
    number = float(value)
    if 1e3 <= abs(number) < 1e5:
        return f"{round(number)}".replace("-", "\N{MINUS SIGN}")
    mantissa, _, exponent = f"{number + 0.0:.{digits}g}".partition("e")  # + 0.0 turns −0 into 0
    if exponent:
        power = rf"10^{{{int(exponent)}}}"
        return f"${power}$" if mantissa == "1" else rf"${mantissa}\times {power}$"
    return mantissa.replace("-", "\N{MINUS SIGN}")
