"""Findings: differences paired by seed, their bootstrap intervals, and verdicts computed from those."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

Verdict = Literal["reproduced", "not reproduced", "undecided"]
RESAMPLES = 9999


@dataclass(frozen=True)
class Finding:
    """One row of the table of what was found."""

    claim: str
    problem: str
    statistic: str
    effect: float
    low: float
    high: float
    unit: str
    n: int
    verdict: Verdict

    def with_verdict(self, verdict: Verdict) -> Finding:
        return replace(self, verdict=verdict)


def bootstrap_interval(differences: Iterable[float], *, level: float = 0.95) -> tuple[float, float]:
    """Bias-corrected and accelerated bootstrap interval of the mean (scipy), with a fixed random state.

    One value has no interval: (-inf, inf). Equal values give a point.
    """
    values = np.asarray(list(differences), dtype=float)
    if not len(values) or not np.isfinite(values).all():
        raise ValueError(f"need finite differences, got {values}")
    if len(values) == 1:
        return -np.inf, np.inf
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    options = {"confidence_level": level, "n_resamples": RESAMPLES, "rng": np.random.default_rng(0)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)  # answered below
        interval = stats.bootstrap((values,), np.mean, method="BCa", **options).confidence_interval
        if not np.isfinite([interval.low, interval.high]).all():
            interval = stats.bootstrap((values,), np.mean, method="percentile", **options).confidence_interval
    return float(interval.low), float(interval.high)


def verdict_of(low: float, high: float, direction: int) -> Verdict:
    """*reproduced* if the interval lies on the claimed side of zero (direction +1 or -1), *not reproduced* if on the
    other, *undecided* if it holds zero."""
    if direction not in (-1, 1):
        raise ValueError(f"direction must be +1 or -1, got {direction}")
    low, high = (low, high) if direction == 1 else (-high, -low)
    return "reproduced" if low > 0 else "not reproduced" if high < 0 else "undecided"


def all_of(*verdicts: Verdict) -> Verdict:
    """A claim with several parts: reproduced if all are, not reproduced if any is not."""
    if "not reproduced" in verdicts:
        return "not reproduced"
    return "undecided" if "undecided" in verdicts else "reproduced"


def finding(claim: str, problem: str, statistic: str, differences: pd.Series, direction: int, unit: str) -> Finding:
    """Effect (mean difference over seeds), interval and verdict."""
    low, high = bootstrap_interval(differences)
    verdict = verdict_of(low, high, direction)
    return Finding(claim, problem, statistic, float(differences.mean()), low, high, unit, len(differences), verdict)


def tuned(runs: pd.DataFrame, settings: Sequence[str], *, value: str = "loss") -> pd.DataFrame:
    """For every seed its run at the setting with the lowest mean ``value`` over the other seeds; indexed by seed.

    With a single seed there are no others, and the choice is made on that seed.
    """
    rows = []
    for seed in sorted(runs["seed"].unique()):
        others = runs[runs["seed"] != seed]
        others = others if len(others) else runs
        best = others.groupby(list(settings), dropna=False)[value].mean().idxmin()
        best = best if isinstance(best, tuple) else (best,)
        own = runs[runs["seed"] == seed]
        for name, chosen in zip(settings, best, strict=True):
            own = own[own[name].isna() if pd.isna(chosen) else own[name] == chosen]
        if len(own) != 1:
            raise ValueError(f"seed {seed} has {len(own)} runs at {dict(zip(settings, best, strict=True))}, not one")
        rows.append(own)
    return pd.concat(rows).set_index("seed")


def paired(first: pd.DataFrame, second: pd.DataFrame, column: str) -> pd.Series:
    """``first - second`` in one column, paired by the index (the seed)."""
    if not first.index.equals(second.index.sort_values()) and set(first.index) != set(second.index):
        raise ValueError(f"seeds differ: {sorted(first.index)} and {sorted(second.index)}")
    return first[column] - second[column]


def table(findings: Iterable[Finding]) -> pd.DataFrame:
    """A row per finding."""
    return pd.DataFrame([asdict(f) for f in findings])


def as_text(frame: pd.DataFrame) -> str:
    """The table for a terminal."""
    shown = pd.DataFrame(
        {
            "claim": frame["claim"],
            "data": frame["problem"],
            "statistic": frame["statistic"],
            "effect": frame["effect"].map("{:+.3g}".format),
            "95% interval": [
                f"[{low:+.3g}, {high:+.3g}]" for low, high in zip(frame["low"], frame["high"], strict=True)
            ],
            "unit": frame["unit"],
            "n": frame["n"].astype(str),
            "verdict": frame["verdict"],
        }
    )
    widths = {name: max(len(name), *shown[name].map(len)) for name in shown}
    lines = ["  ".join(name.ljust(width) for name, width in widths.items()).rstrip()]
    lines.append("  ".join("-" * width for width in widths.values()))
    for _, row in shown.iterrows():
        lines.append("  ".join(str(row[name]).ljust(width) for name, width in widths.items()).rstrip())
    return "\n".join(lines)


def as_markdown(frame: pd.DataFrame) -> str:
    """The table for a notebook."""
    shown = [
        ("claim", frame["claim"]),
        ("statistic", frame["statistic"]),
        ("effect", frame["effect"].map("{:+.3g}".format)),
        ("95% interval", [f"[{low:+.3g}, {high:+.3g}]" for low, high in zip(frame["low"], frame["high"], strict=True)]),
        ("unit", frame["unit"]),
        ("n", frame["n"].astype(str)),
        ("verdict", "**" + frame["verdict"] + "**"),
    ]
    rows = zip(*(column for _, column in shown), strict=True)
    lines = [[name for name, _ in shown], ["---"] * len(shown), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
