"""From runs to verdicts: every claim on every data set, with all its statistics."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from .claim import UNIT_OF_ERROR, At, Best, Beyond, Claim, Matched, NotRunError, Part, Selector
from .experiments import LEAST, Experiment
from .statistics import Comparison, compare, settle, together

SHOWN = ("effect", "low", "high", "sd", "n", "agree", "seeds_needed")
"""What a verdict shows of the comparison that it depends on."""


class Compared(NamedTuple):
    """One comparison on one data set."""

    part: Part
    effect: pd.Series
    """Seed -> effect."""
    result: Comparison
    edge: list[str]
    """Best settings that are at the end of the range that was tried."""


def evaluate(
    experiment: Experiment, runs: pd.DataFrame, claims: Iterable[Claim]
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Verdicts (a row per claim), statistics (a row per comparison) and differences (a row per comparison and seed).

    ``runs`` are of this data set. Verdicts are uncorrected here; :func:`settle_all` accounts for their number. Claims
    whose runs were not made are left out.
    """
    verdicts, statistics, differences = [], [], []
    for claim in claims:
        asked = [part for part in claim.parts if part.on in (None, experiment.kind)]
        deciding = _compared(asked, runs, experiment) if claim.concerns(experiment.kind) else []
        if not deciding or (len(deciding) < len(asked) and not claim.of_those_run):
            continue
        verdict, p = together([found.result for found in deciding])
        weakest = _weakest(deciding, verdict)
        verdicts.append(
            {
                "claim": claim.id,
                "finding": claim.finding,
                "sentence": claim.sentence,
                "verdict_alone": verdict,
                "reason_alone": weakest.result.reason,
                "p": p,
                "statistic": weakest.part.statistic,
                **{k: getattr(weakest.result, k) for k in SHOWN},
                "unit": unit_of(weakest.part, experiment),
                "mark": weakest.part.mark,
                "direction": weakest.part.direction,
                "parts": len(deciding),
                "edge": "; ".join(dict.fromkeys(text for found in deciding for text in found.edge)),
            }
        )
        others = [part for part in claim.also if part.on in (None, experiment.kind)]
        for place, found in enumerate([*deciding, *_compared(others, runs, experiment)]):
            part = found.part
            shared = {"claim": claim.id, "statistic": part.statistic}
            statistics.append(
                {
                    **shared,
                    "deciding": place < len(deciding),
                    "column": part.measure.column,
                    "first": label(part.first),
                    "second": "" if part.second is None else label(part.second),
                    "unit": unit_of(part, experiment),
                    "form": part.measure.form,
                    "edge": "; ".join(found.edge),
                    **asdict(found.result),
                }
            )
            differences += [{**shared, "seed": seed, "difference": value} for seed, value in found.effect.items()]
    return pd.DataFrame(verdicts), pd.DataFrame(statistics), pd.DataFrame(differences)


def settle_all(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Add ``p_holm``, ``verdict``, ``reason`` and ``family_size``.

    All claims on one kind of data at one budget are a family.
    """
    at = verdicts["budget"] + " " + verdicts["kind"]
    alone = verdicts.assign(verdict=verdicts["verdict_alone"], reason=verdicts["reason_alone"], family=at)
    return settle(alone).assign(family=verdicts["family"])


def label(selector: Selector) -> str:
    """Return a selector in words."""
    match selector:
        case At(variant):
            return variant
        case Best(group, without):
            left_out = f", without {', '.join(without)}" if without else ""
            return f"best of {group}{left_out}"
        case Matched(group, like, by):
            return f"{group} at the {by} of {like}"
        case Beyond(variant, base):
            return f"{variant} beyond {base}"


def unit_of(part: Part, experiment: Experiment) -> str:
    """Return the unit, with that of the error on these data put in."""
    errors = {"landscape": "f", "toy": "mean squared error", "network": "points"}
    return errors[experiment.kind] if part.measure.unit == UNIT_OF_ERROR else part.measure.unit


def _compared(parts: Iterable[Part], runs: pd.DataFrame, experiment: Experiment) -> list[Compared]:
    """Return the comparisons whose runs were made."""
    found = []
    for part in parts:
        try:
            effect = part.differences(runs)
        except NotRunError:
            continue
        usable = effect[np.isfinite(effect)]
        if not len(usable) and not part.matched:
            continue
        result = compare(usable.to_numpy(), direction=part.direction, mark=part.mark, least=LEAST[experiment.kind])
        if len(usable) < len(effect):  # to leave out a run that failed would flatter the method that fails
            what = "have nothing to compare with" if part.matched else "have no value"
            reason = f"{len(effect) - len(usable)} of {len(effect)} seeds {what}"
            result = replace(result, verdict="undecided", reason=reason)
        best = [selector for selector in (part.first, part.second) if isinstance(selector, Best)]
        found.append(Compared(part, effect, result, [text for selector in best for text in selector.at_edge(runs)]))
    return found


def _weakest(results: list[Compared], verdict: str) -> Compared:
    """Return the part on which the verdict depends: of the parts that have it the one nearest to changing."""
    same = [found for found in results if found.result.verdict == verdict] or results
    choose = max if verdict != "not reproduced" else min
    return choose(same, key=lambda found: found.result.p)
