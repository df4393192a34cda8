"""The surface over interval size and learning rate on the toy regression, and what it says about the findings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from ..findings import Finding, all_of, finding, paired, tuned
from ..schedule import ThreeStage
from ..toy.regression import EnsembleResult, RegressionProblem, RunConfig, run_ensemble

LEARNING_RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3)
"""From too slow to too fast for both methods, so that neither has its best at the end of the range."""
PUBLISHED_LR = 1e-3
PUBLISHED_SHRINK = 0.3
# Both methods are tuned over equally many settings: eleven interval sizes at every learning rate.
SHRINK_MINS = (1.0, 0.85, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.05)
STEP_INITS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.4, None, 2.0, 2.8, 4.0)
"""LSQ's initial steps; ``None`` is its own rule, ``2 mean|w| / sqrt(Q_P)``, about 1.7 here."""


def configurations(learning_rates: Sequence[float] = LEARNING_RATES) -> list[RunConfig]:
    """All settings of the surface: AOQ over shrink_min, LSQ over its initial step, at every learning rate."""
    aoq = [RunConfig("aoq", lr, schedule=ThreeStage(shrink_min=m)) for lr in learning_rates for m in SHRINK_MINS]
    lsq = [RunConfig("lsq", lr, step_init=s) for lr in learning_rates for s in STEP_INITS]
    return aoq + lsq


def sweep(
    problem: RegressionProblem, seeds: Sequence[int], *, progress: Callable[[int], object] | None = None
) -> EnsembleResult:
    """The whole surface; ``progress`` is called with training steps, of ``len(configurations()) * steps`` per seed."""
    return run_ensemble(configurations(), seeds, problem, records=20, progress=progress)


def findings(runs: pd.DataFrame, problem: str) -> list[Finding]:
    """What the surface says, paired by seed; every method's setting is chosen on the *other* seeds.

    Choosing on the other seeds keeps the choice from flattering its own result, and gives one honest difference per
    seed. ``problem`` names the data in the table.
    """
    aoq, lsq = runs[runs["method"] == "aoq"], runs[runs["method"] == "lsq"]
    keys = {"aoq": ["lr", "shrink_min"], "lsq": ["lr", "step_init"]}
    best_aoq, best_lsq = tuned(aoq, keys["aoq"]), tuned(lsq, keys["lsq"])
    at = PUBLISHED_LR
    tuned_at = {
        lr: (tuned(aoq[aoq["lr"] == lr], keys["aoq"]), tuned(lsq[lsq["lr"] == lr], keys["lsq"]))
        for lr in sorted(runs["lr"].unique())
    }

    def row(claim: str, statistic: str, difference: pd.Series, direction: int, unit: str) -> Finding:
        return finding(claim, problem, statistic, difference, direction, unit)

    rows = []
    for name, (a, q) in {"each at its best": (best_aoq, best_lsq), f"lr {at:g}": tuned_at[at]}.items():
        volume = row(
            "1 LSQ explores less", f"explored volume, AOQ - LSQ, {name}", paired(a, q, "explored_volume"), +1, "share"
        )
        crossed = paired(q, a, "crossings_per_step") * 1000
        more = row("", "", crossed, +1, "")
        seldom = row("1 LSQ seldom crosses", f"crossings, AOQ - LSQ, {name}", -crossed, +1, "per 1000 steps")
        both = row(
            "1 oscillating is not exploring",
            f"crossings, LSQ - AOQ, {name} (and less volume)",
            crossed,
            +1,
            "per 1000 steps",
        )
        rows += [volume, seldom, both.with_verdict(all_of(more.verdict, volume.verdict))]
    rows.append(
        row(
            "2 AOQ finds better weights",
            "loss, AOQ - LSQ, each at its best",
            paired(best_aoq, best_lsq, "loss"),
            -1,
            "MSE",
        )
    )
    for lr, (a, q) in tuned_at.items():
        rows.append(row("2 AOQ finds better weights", f"loss, AOQ - LSQ, lr {lr:g}", paired(a, q, "loss"), -1, "MSE"))
    published = (aoq["lr"] == at) & (aoq["shrink_min"] == PUBLISHED_SHRINK)
    rule = (lsq["lr"] == at) & lsq["step_init"].isna()
    rows.append(
        row(
            "2 AOQ finds better weights",
            f"loss, AOQ - LSQ, both as published, lr {at:g}",
            paired(aoq[published].set_index("seed"), lsq[rule].set_index("seed"), "loss"),
            -1,
            "MSE",
        )
    )
    best_lr = float(best_aoq["lr"].mode().iloc[0])
    for lr in dict.fromkeys((at, best_lr)):
        rows.append(_moderate(aoq[aoq["lr"] == lr], problem, lr))
    rows.append(
        row(
            "2 AOQ finds the true codes",
            "true codes, AOQ - LSQ, each at its best",
            paired(best_aoq, best_lsq, "true_codes"),
            +1,
            "share",
        )
    )
    return rows


def _moderate(aoq: pd.DataFrame, problem: str, lr: float) -> Finding:
    """Is an interval size inside the range better than both ends? Reports the end that is harder to beat."""
    ends = max(SHRINK_MINS), min(SHRINK_MINS)
    inside = tuned(aoq[~aoq["shrink_min"].isin(ends)], ["shrink_min"])
    rows = []
    for end in ends:
        other = aoq[aoq["shrink_min"] == end].set_index("seed")
        statistic = f"loss, best shrink_min - shrink_min {end:g}, lr {lr:g}"
        rows.append(
            finding("2 a moderate interval is best", problem, statistic, paired(inside, other, "loss"), -1, "MSE")
        )
    hardest = max(rows, key=lambda r: r.effect)
    return hardest.with_verdict(all_of(*(r.verdict for r in rows)))
