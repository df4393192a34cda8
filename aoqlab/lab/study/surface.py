"""The surface over interval size and learning rate on the toy regression, and what it says about the findings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from ...schedule import ThreeStage
from ..findings import Finding, finding, paired, tuned
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
    problem: RegressionProblem,
    seeds: Sequence[int],
    *,
    trajectories: int = 0,
    progress: Callable[[int], object] | None = None,
) -> EnsembleResult:
    """The whole surface, with the trajectories of that many weights.

    ``progress`` is called with training steps, of ``len(configurations()) * steps`` per seed.
    """
    return run_ensemble(configurations(), seeds, problem, records=20, trajectories=trajectories, progress=progress)


def findings(runs: pd.DataFrame, problem: str, history: pd.DataFrame | None = None) -> list[Finding]:
    """What the surface says, paired by seed; a setting is chosen on one half of the seeds and judged on the other.

    ``problem`` names the data in the table; with the ``history`` come the rows about stages.
    """
    aoq, lsq = runs[runs["method"] == "aoq"], runs[runs["method"] == "lsq"]
    keys = {"aoq": ["lr", "shrink_min"], "lsq": ["lr", "step_init"]}
    best = tuned(aoq, keys["aoq"]), tuned(lsq, keys["lsq"])
    equal = {
        lr: (tuned(aoq[aoq["lr"] == lr], keys["aoq"]), tuned(lsq[lsq["lr"] == lr], keys["lsq"]))
        for lr in sorted(runs["lr"].unique())
        # above the best rate of both, two failures would be compared
        if lr <= max(float(table["lr"].max()) for table in best)
    }
    at, rows = PUBLISHED_LR, []

    def add(claim: str, statistic: str, difference: pd.Series, direction: int, unit: str) -> None:
        rows.append(finding(claim, problem, statistic, difference, direction, unit))

    for name, (a, q) in {f"lr {at:g}": equal[at], "each at its best": best}.items():
        volume, crossings = paired(a, q, "explored_volume"), paired(a, q, "crossings_per_step") * 1000
        add("1 LSQ explores less", f"explored volume, AOQ - LSQ, {name}", volume, +1, "share")
        add("1 LSQ seldom crosses", f"crossings, AOQ - LSQ, {name}", crossings, +1, "per 1000 steps")
    for lr, (a, q) in equal.items():
        add("2 AOQ finds better weights", f"loss, AOQ - LSQ, lr {lr:g}", paired(a, q, "loss"), -1, "MSE")
    add("2 AOQ finds better weights", "loss, AOQ - LSQ, each at its best", paired(*best, "loss"), -1, "MSE")
    published = (aoq["lr"] == at) & (aoq["shrink_min"] == PUBLISHED_SHRINK)
    rule = (lsq["lr"] == at) & lsq["step_init"].isna()
    pair = aoq[published].set_index("seed"), lsq[rule].set_index("seed")
    add(
        "2 AOQ finds better weights",
        f"loss, AOQ - LSQ, published settings, lr {at:g}",
        paired(*pair, "loss"),
        -1,
        "MSE",
    )
    add(
        "2 AOQ finds the true codes",
        "true codes, AOQ - LSQ, each at its best",
        paired(*best, "true_codes"),
        +1,
        "share",
    )
    ends = max(SHRINK_MINS), min(SHRINK_MINS)
    for lr in dict.fromkeys((at, float(best[0]["lr"].mode().iloc[0]))):
        own = aoq[aoq["lr"] == lr]
        inside = tuned(own[~own["shrink_min"].isin(ends)], ["shrink_min"])
        for end in ends:
            other = own[own["shrink_min"] == end].set_index("seed")
            statistic = f"loss, best shrink_min - shrink_min {end:g}, lr {lr:g}"
            add("2 a moderate interval is best", statistic, paired(inside, other, "loss"), -1, "MSE")
    if history is not None:
        rows += _stages(history, problem)
    return rows


def _stages(history: pd.DataFrame, problem: str) -> list[Finding]:
    """Published settings: what LSQ and AOQ explore once the intervals have stopped shrinking, and whether dampening
    calms.
    """
    at = history[history["lr"] == PUBLISHED_LR]
    aoq = at[(at["method"] == "aoq") & (at["shrink_min"] == PUBLISHED_SHRINK)]
    lsq = at[(at["method"] == "lsq") & at["step_init"].isna()]
    schedule, last = ThreeStage(), int(history["step"].max())

    def gained(frame: pd.DataFrame, column: str, since: float) -> pd.Series:
        by_seed = frame[frame["step"] >= since * last].sort_values("step").groupby("seed")[column]
        return by_seed.last() - by_seed.first()

    volume = gained(aoq, "explored_volume", schedule.shrink_until) - gained(
        lsq, "explored_volume", schedule.shrink_until
    )
    calmed = gained(aoq, "oscillating_share", schedule.dampen_from)
    later = f"explored volume gained after shrinking, AOQ - LSQ, lr {PUBLISHED_LR:g}"
    calm = f"oscillating share, end - start of dampening, AOQ, lr {PUBLISHED_LR:g}"
    return [
        finding("1 LSQ explores less", problem, later, volume, +1, "share"),
        finding("2 dampening calms", problem, calm, calmed, -1, "share"),
    ]
