"""Claims about the amount of oscillation and the three stages (notebook 06)."""

from __future__ import annotations

from ..claim import CROSSINGS, ERROR, RATE, SHARE, VOLUME, At, Best, Beyond, Claim, Matched, Measure, Part, Selector

AOQ, LSQ = At("aoq"), Best("lsq equal")
NO_SHRINK, MOST = At("aoq shrink_min=1"), At("aoq shrink_min=0.1")
MODERATE = Best("shrink", without=(NO_SHRINK.variant, MOST.variant))
HELD, THROUGHOUT = At("aoq held levels"), At("aoq shrink throughout")
UNDAMPENED, DAMPENED = At("aoq no dampening"), At("aoq dampening throughout")
NOISE = Matched("noise", like="aoq", by="oscillations_shrink")
FIRST_CROSSINGS, LATER_CROSSINGS = Measure("crossings_shrink", RATE), Measure("crossings_widen", RATE)
LAST_CROSSINGS, CALMED_CROSSINGS = Measure("crossings_dampen", RATE), Measure("widen_calmed", RATE)
FIRST_RETURNS, LAST_RETURNS = Measure("oscillations_shrink", RATE), Measure("oscillations_dampen", RATE)
CALMED_SHARE = Measure("oscillating_calmed", SHARE)
GROWTH, CORRELATION = Measure("widen_growth", "share of itself"), Measure("widen_correlation", "correlation")


def _error(against: str, second: Selector, first: Selector = AOQ, says: str = "") -> Part:
    return Part(f"final error, {against}", ERROR, first, second, -1, says)


def _ablation(name: str, sentence: str, against: str, second: Selector, says: str, because: str, *also: Part) -> Claim:
    return Claim(name, 2, sentence, (_error(against, second, says=says),), also, because)


CLAIMS = (
    Claim(
        "moderate-is-best",
        2,
        "A moderate amount of oscillation is best: some shrink factor inside the range ends better than both of "
        "its ends, and than LSQ.",
        (
            _error(
                "best shrink_min inside - shrink_min 1",
                NO_SHRINK,
                MODERATE,
                "the best shrink errs {} more|less than none",
            ),
            _error(
                "best shrink_min inside - shrink_min 0.1",
                MOST,
                MODERATE,
                "the best shrink errs {} more|less than most",
            ),
            _error(
                "best shrink_min inside - LSQ at the same learning rate",
                LSQ,
                MODERATE,
                "the best shrink errs {} more|less than LSQ",
            ),
        ),
        (
            _error("published shrink_min 0.3 - LSQ at the same learning rate", LSQ),
            Part("final error, shrink_min 0.1 - shrink_min 0.05", ERROR, MOST, At("aoq shrink_min=0.05"), -1, on="toy"),
            Part("crossings, shrink_min 0.1 - shrink_min 1", CROSSINGS, MOST, NO_SHRINK, +1),
        ),
        "Only three differences together make an optimum inside. Inside values compete for the first place, so "
        "the winner is chosen on one half of the seeds and judged on the other.",
    ),
    _ablation(
        "early-shrink",
        "Shrinking the intervals early ends better than not shrinking them.",
        "AOQ - AOQ without shrinking",
        NO_SHRINK,
        "AOQ errs {} more|less than without shrinking",
        "At the published shrink_min of 0.3.",
        Part("crossings in the first stage, AOQ - without", FIRST_CROSSINGS, AOQ, NO_SHRINK, +1),
        Part("crossings after it, AOQ - without", LATER_CROSSINGS, AOQ, NO_SHRINK, +1),
    ),
    Claim(
        "oscillation-not-noise",
        2,
        "It is oscillation that helps: shrinking makes weights oscillate more, and random perturbation that makes them "
        "oscillate as often ends worse.",
        (
            Part(
                "crossings back in the first stage, AOQ - AOQ without shrinking",
                FIRST_RETURNS,
                AOQ,
                NO_SHRINK,
                +1,
                "shrinking makes weights cross back {} more|less",
            ),
            _error("AOQ - perturbed weights that cross back as often", NOISE, says="AOQ errs {} more|less than noise"),
        ),
        (
            Part("all crossings in the first stage, AOQ - AOQ without shrinking", FIRST_CROSSINGS, AOQ, NO_SHRINK, +1),
            Part(
                "all crossings in the first stage, AOQ beyond its moving thresholds - AOQ without shrinking",
                FIRST_CROSSINGS,
                Beyond("aoq", "aoq frozen weights"),
                NO_SHRINK,
                +1,
            ),
            Part("explored volume, AOQ - perturbed weights", VOLUME, AOQ, NOISE, +1),
        ),
        "The control does not shrink; in the first stage its weights are perturbed after every step. Of several "
        "strengths, none among them, error is interpolated to where weights cross back as often as in AOQ's first "
        "stage; where AOQ does so less than all of them there is nothing to compare with. Crossings back, because "
        "thresholds that sweep over weights at rest make crossings, but none back. Revised twice after a look at "
        "results: the first part was added when shrinking helped on the toy problem while crossings fell; all "
        "crossings were counted, of which on networks the moving thresholds make most.",
    ),
    Claim(
        "calm-late",
        2,
        "Oscillation is to be early: shrinking for the whole training makes weights oscillate late, and ends worse "
        "than shrinking for a fifth of it.",
        (
            Part(
                "crossings back in the last stage, AOQ that shrinks throughout - AOQ with levels held",
                LAST_RETURNS,
                THROUGHOUT,
                HELD,
                +1,
                "shrinking throughout oscillates {} more|less late",
            ),
            _error(
                "AOQ with levels held - AOQ that shrinks throughout",
                THROUGHOUT,
                HELD,
                "shrinking early errs {} more|less than throughout",
            ),
        ),
        (_error("AOQ - AOQ that shrinks throughout", THROUGHOUT),),
        "With shrinking throughout the levels never learn, since they learn after the first stage; so it is compared "
        "with AOQ whose levels do not learn either. Revised after a look at results: compared with AOQ as a whole, "
        "most of the difference was that of the levels.",
    ),
    _ablation(
        "dampening-helps",
        "The dampening of the last stage improves the result.",
        "AOQ - AOQ without dampening",
        UNDAMPENED,
        "AOQ errs {} more|less than without dampening",
        "At the published strength of 0.01.",
    ),
    _ablation(
        "dampening-late",
        "Dampening belongs to the end: from the start it would keep the search near where it began.",
        "AOQ - AOQ with dampening throughout",
        DAMPENED,
        "AOQ errs {} more|less than dampened throughout",
        "At the published strength of 0.01.",
        Part("explored volume, AOQ - with dampening throughout", VOLUME, AOQ, DAMPENED, +1),
    ),
    Claim(
        "widening-calms",
        2,
        "As the level interval grows in the second stage, oscillation calms.",
        (
            Part(
                "rank correlation of s_le and crossing rate within a run",
                CORRELATION,
                AOQ,
                None,
                -1,
                "crossings rise|fall as levels widen (rank {})",
            ),
            Part(
                "change of the crossing rate over the stage, AOQ - AOQ with levels held",
                CALMED_CROSSINGS,
                AOQ,
                HELD,
                -1,
                "widening calms {} less|more than levels held",
            ),
        ),
        (
            Part("growth of s_le over the stage", GROWTH, AOQ, None, +1),
            Part("change of the crossing rate over the stage, AOQ", CALMED_CROSSINGS, AOQ, None, -1),
            Part("change of the crossing rate over the stage, levels held", CALMED_CROSSINGS, HELD, None, -1),
            _error("AOQ - AOQ with levels held", HELD),
        ),
        "A crossing rate that falls for other reasons (a learning rate that falls, a loss that settles) also "
        "correlates; the control with held levels has those reasons too.",
    ),
    Claim(
        "dampening-calms",
        2,
        "Through the last stage the share of oscillating weights falls, because of the dampening.",
        (
            Part(
                "change of the oscillating share over the stage, AOQ - AOQ without dampening",
                CALMED_SHARE,
                AOQ,
                UNDAMPENED,
                -1,
                "oscillation calms {} less|more with dampening",
            ),
            Part(
                "change of the oscillating share over the stage, AOQ",
                CALMED_SHARE,
                AOQ,
                None,
                -1,
                "late oscillation grows|shrinks by {}",
            ),
        ),
        (Part("crossings in the last stage, AOQ - without dampening", LAST_CROSSINGS, AOQ, UNDAMPENED, -1),),
        "Where the learning rate falls to zero, oscillation calms without dampening; the control shows how much.",
    ),
)
