"""Claims about the two-dimensional landscape of the paper's Figure 1 (notebook 02)."""

from __future__ import annotations

from ..claim import At, Claim, Measure, Part

DEEP = Measure("found_deep", "share of starts")
SAYS = "oscillating, {} more|less of starts end deep"


def _deep(suffix: str, words: str, says: str = "") -> Part:
    statistic = f"share of starts that end in the deep basin, oscillating - conventional, {words}"
    return Part(statistic, DEEP, At(f"oscillating{suffix}"), At(f"conventional{suffix}"), +1, says, on="landscape")


CLAIMS = (
    Claim(
        "deep-basin",
        2,
        "Oscillating leads out of a shallow basin: of the same starts around it, more end in the deep basin than under "
        "conventional training.",
        (_deep("", "published settings, starts near the shallow basin", SAYS),),
        (_deep(" anywhere", "published settings, starts anywhere"),),
        "Both methods have the same learning rate, from the same starts, which take the place of seeds.",
    ),
    Claim(
        "deep-basin-tuned",
        2,
        "Also when each method has the setting that leads most starts into the deep basin, more of them end there "
        "under oscillating than under conventional training.",
        (
            _deep(
                " at its best",
                "each at its best, starts near the shallow basin",
                "tuned, {} more|less of starts end deep",
            ),
        ),
        (),
        "Conventional training may take a larger learning rate, of equally many settings as oscillating has. Settings "
        "are chosen on one set of starts and judged on fresh ones.",
    ),
)
