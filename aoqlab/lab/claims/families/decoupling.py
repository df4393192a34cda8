"""Claims about the learned step size (notebook 07)."""

from __future__ import annotations

from ..claim import ERROR, SHARE, At, Claim, Kind, Measure, Part

AOQ, LSQ, COUPLED = At("aoq"), At("lsq"), At("aoq coupled")
REVERSALS, CORRELATION = Measure("reversal_rate", SHARE), Measure("lag1_correlation", "correlation")
MOVEMENT = {
    "with": Measure("movement", "doublings", "log2 ratio"),
    "without": Measure("detrended_movement", "doublings", "log2 ratio"),
}


def _ratio(trend: str, second: At, against: str, on: Kind | None = None) -> Part:
    statistic = f"movement of the step size {trend} its trend, AOQ / {against}"
    says = f"AOQ's step moves {{}}x as much|little as {against}'s"
    return Part(statistic, MOVEMENT[trend], AOQ, second, -1, says, on=on)


CLAIMS = (
    Claim(
        "decoupling-stabilises",
        3,
        "With thresholds and levels decoupled, the learned step size moves less than LSQ's, and less than AOQ's "
        "own with the two coupled.",
        (_ratio("without", LSQ, "LSQ"), _ratio("without", COUPLED, "AOQ coupled")),
        (
            _ratio("with", LSQ, "LSQ"),
            _ratio("with", COUPLED, "AOQ coupled"),
            _ratio("without", At("lsq step=1"), "LSQ whose step begins at 1, as AOQ's interval does", on="toy"),
            Part("share of steps that reverse the last one, AOQ - LSQ", REVERSALS, AOQ, LSQ, -1),
            Part("share of steps that reverse the last one, AOQ - AOQ coupled", REVERSALS, AOQ, COUPLED, -1),
            Part("correlation of a step with the one before, AOQ - LSQ", CORRELATION, AOQ, LSQ, +1),
            Part("final error, AOQ - AOQ coupled", ERROR, AOQ, COUPLED, -1),
        ),
        "Movement is the sum of absolute steps over the mean value, after the first stage, where both learn. Its "
        "trend, the mean step of each block of records, is taken out, so that a slow widening counts as none.",
    ),
)
