"""Claims about how much of the solution space is seen (notebook 05)."""

from __future__ import annotations

import pandas as pd

from ..claim import RATE, VOLUME, At, Best, Beyond, Claim, Part
from ..measures import PER

AOQ, LSQ, FROZEN = At("aoq"), At("lsq"), At("aoq frozen weights")
BEST_AOQ, BEST_LSQ = Best("aoq grid"), Best("lsq grid")
MEASURES = (
    ("changed_share", "share of weights whose code ever changed", "share"),
    ("hamming_share", "share of codes that differ from the start at the end", "share"),
    ("levels_visited", "levels visited per weight", "levels"),
    ("explored_after", "explored volume gained after the shrink stage", "share"),
)


def per_crossing(runs: pd.DataFrame) -> pd.Series:
    """Explored volume over the thresholds that a weight crossed in the whole run; NaN where none did."""
    crossed = runs["crossings"] * runs["steps"] / PER
    return runs["explored_volume"] / crossed.where(crossed > 0)


CLAIMS = (
    Claim(
        "local-search",
        1,
        "Conventional quantization-aware training searches near its start: LSQ explores less than AOQ at the same "
        "learning rate.",
        (
            Part(
                "explored volume, AOQ - LSQ, at the same learning rate",
                "explored_volume",
                AOQ,
                LSQ,
                +1,
                VOLUME,
                says="LSQ explores {} less|more",
            ),
        ),
        (*(Part(f"{words}, AOQ - LSQ", column, AOQ, LSQ, +1, unit) for column, words, unit in MEASURES),),
        "A code also changes when a threshold moves over a weight that does not; this verdict is about the volume as "
        "such, the next one about what weights add to it.",
    ),
    Claim(
        "weights-explore",
        1,
        "It is moving weights that explore more under AOQ: beyond what its moving thresholds alone see, it explores "
        "more than LSQ.",
        (
            Part(
                "explored volume of AOQ beyond that of its moving thresholds over weights that stand still, - LSQ",
                "explored_volume",
                Beyond("aoq", "aoq frozen weights"),
                LSQ,
                +1,
                VOLUME,
                says="AOQ's weights alone explore {} more|less",
            ),
        ),
        (
            Part(
                "explored volume, AOQ's moving thresholds over weights that stand still - LSQ",
                "explored_volume",
                FROZEN,
                LSQ,
                +1,
                VOLUME,
            ),
            Part(
                "explored volume gained after the shrink stage, where AOQ's thresholds stand still, AOQ - LSQ",
                "explored_after",
                AOQ,
                LSQ,
                +1,
                VOLUME,
            ),
        ),
        "No claim of the paper, but the control for the one before: the same AOQ at a learning rate at which no weight "
        "moves. Volumes are logarithms and do not add up, so the difference is a cautious measure of what weights add. "
        "At first it was a statistic of the claim before, and got a verdict of its own after a look at results.",
    ),
    Claim(
        "local-search-tuned",
        1,
        "Also when both are trained at the settings that suit each best, LSQ explores less than AOQ.",
        (
            Part(
                "explored volume, AOQ - LSQ, each at its best",
                "explored_volume",
                BEST_AOQ,
                BEST_LSQ,
                +1,
                VOLUME,
                says="LSQ at its best explores {} less|more",
            ),
        ),
        tuple(
            Part(f"{words}, AOQ - LSQ, each at its best", column, BEST_AOQ, BEST_LSQ, +1, unit)
            for column, words, unit in MEASURES
        ),
        "Best is judged by final error; the setting is chosen on one half of the seeds and judged on the other.",
    ),
    Claim(
        "lsq-seldom-crosses",
        1,
        "In conventional quantization-aware training weights seldom cross thresholds: less often than under AOQ.",
        (Part("crossings, LSQ - AOQ", "crossings", LSQ, AOQ, -1, RATE, says="LSQ crosses {} more|less often"),),
        (Part("the same, each at its best", "crossings", BEST_LSQ, BEST_AOQ, -1, RATE),),
        "Over the whole training. Thresholds that AOQ moves over weights at rest count, as in the paper's figures.",
    ),
    Claim(
        "oscillation-is-not-exploration",
        1,
        "LSQ's weights go back and forth over the same thresholds: each crossing explores less than AOQ's do.",
        (
            Part(
                "explored volume per crossing, AOQ / LSQ",
                "volume_per_crossing",
                AOQ,
                LSQ,
                +1,
                "doublings",
                form="log2 ratio",
                derive=per_crossing,
                says="a crossing of AOQ explores {}x as much|little",
            ),
        ),
        (
            Part(
                "share of LSQ's crossings that go back (against one half)", "returns", LSQ, None, +1, "share", mark=0.5
            ),
            Part("share of crossings that go back, LSQ - AOQ", "returns", LSQ, AOQ, +1, "share"),
        ),
        "The paper says both that LSQ's weights seldom cross and that they oscillate: two claims, which were one at "
        "first, so that LSQ crossing less counted against the paper. Asked at one learning rate, on which the answer "
        "depends (notebook 05 shows all). On the reduced images that rate was lowered after a look, since every method "
        "had done best at the lowest of the first range.",
    ),
    Claim(
        "figure-2",
        2,
        "Under LSQ a weight ends at the level next to where it began; under AOQ the pre-trained weights of "
        "different final levels overlap more.",
        (
            Part(
                "overlap of pre-trained weights per final level, AOQ - LSQ",
                "overlap",
                AOQ,
                LSQ,
                +1,
                "overlap",
                says="AOQ's weights mix {} more|less",
            ),
        ),
        (
            Part("the same, each at its best", "overlap", BEST_AOQ, BEST_LSQ, +1, "overlap"),
            Part("the same, lossless solution - LSQ", "overlap", At("lossless"), LSQ, +1, "overlap", on="toy"),
            Part("the same, lossless solution - AOQ", "overlap", At("lossless"), AOQ, +1, "overlap", on="toy"),
            Part(
                "the same, AOQ's moving thresholds over weights that stand still - LSQ",
                "overlap",
                FROZEN,
                LSQ,
                +1,
                "overlap",
            ),
        ),
        "Overlap is 1 where the final level says nothing about the start, 0 where the histograms are slices side "
        "by side.",
    ),
)
