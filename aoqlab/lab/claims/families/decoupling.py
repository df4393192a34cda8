"""Claims about the learned step size (notebook 07)."""

from __future__ import annotations

from dataclasses import replace

from ..claim import At, Claim, Part

AOQ, LSQ, COUPLED = At("aoq"), At("lsq"), At("aoq coupled")


def _ratio(column: str, words: str, second: At, against: str) -> Part:
    says = f"AOQ's step moves {{}} times as much|little as {against}'s"
    return Part(f"{words}, AOQ / {against}", column, AOQ, second, -1, "doublings", form="log2 ratio", says=says)


CLAIMS = (
    Claim(
        "decoupling-stabilises",
        3,
        "With thresholds and levels decoupled, the learned step size moves less than LSQ's, and less than AOQ's "
        "own with the two coupled.",
        (
            _ratio("detrended_movement", "movement of the step size without its trend", LSQ, "LSQ"),
            _ratio("detrended_movement", "movement of the step size without its trend", COUPLED, "AOQ coupled"),
        ),
        (
            _ratio("movement", "movement of the step size with its trend", LSQ, "LSQ"),
            _ratio("movement", "movement of the step size with its trend", COUPLED, "AOQ coupled"),
            replace(
                _ratio(
                    "detrended_movement",
                    "movement of the step size without its trend",
                    At("lsq step=1"),
                    "LSQ whose step begins at 1, as AOQ's interval does",
                ),
                on="toy",
            ),
            Part("share of steps that reverse the last one, AOQ - LSQ", "reversal_rate", AOQ, LSQ, -1, "share"),
            Part(
                "share of steps that reverse the last one, AOQ - AOQ coupled",
                "reversal_rate",
                AOQ,
                COUPLED,
                -1,
                "share",
            ),
            Part(
                "correlation of a step with the one before, AOQ - LSQ", "lag1_correlation", AOQ, LSQ, +1, "correlation"
            ),
            Part("final error, AOQ - AOQ coupled", "error", AOQ, COUPLED, -1, "error"),
        ),
        "Movement is the sum of absolute steps over the mean value, after the first stage, where both learn. Its "
        "trend, the mean step of each block of records, is taken out, so that a slow widening counts as none.",
    ),
)
