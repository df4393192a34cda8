"""Claims about the result: accuracy at 2 bits (notebook 08)."""

from __future__ import annotations

from ..claim import ERROR, SHARE, At, Best, Claim, Measure, Part

AOQ, OTHERS = Best("aoq grid"), Best("others grid")
POINTS, TRUE_CODES = Measure("error", "points"), Measure("true_codes", SHARE)
SMALLEST_GAIN = 0.4
"""Points of accuracy: the least that the paper reports over the best earlier method."""
RIVALS = ("lsq", "lsq+dampen", "lsq+freeze", "lsq+oscillate", "n2uq", "statsq")
TOY_RIVAL = "LSQ"
SAYS = "tuned, AOQ errs {} more|less than "


def _ahead_of(rival: str) -> Part:
    statistic, second = f"test error, AOQ - {rival}, each at its best", Best(f"{rival} grid")
    return Part(statistic, POINTS, AOQ, second, -1, SAYS + rival, mark=-SMALLEST_GAIN, on="network")


CLAIMS = (
    Claim(
        "better-at-2-bits",
        2,
        "AOQ ends better than every other method, each tuned: by at least 0.4 points of accuracy on images, by "
        "anything on the toy problem.",
        (
            Part("final error, AOQ - best other, each at its best", ERROR, AOQ, OTHERS, -1, SAYS + TOY_RIVAL, on="toy"),
            *(_ahead_of(rival) for rival in RIVALS),
        ),
        (
            Part("error, AOQ - LSQ, at the same learning rate", ERROR, At("aoq"), At("lsq"), -1),
            Part("true codes, AOQ - LSQ, each at its best", TRUE_CODES, AOQ, OTHERS, +1, on="toy"),
        ),
        "Every method is tuned over equally many learning rates (on the toy, and interval sizes), on the same "
        "start, recipe and budget; the best is chosen on one half of the seeds and judged on the other, by errors on "
        "the same test images. To be better than the best is to be better than each; one comparison with whichever was "
        "best on few seeds, as at first, favours AOQ.",
        of_those_run=True,
    ),
)
