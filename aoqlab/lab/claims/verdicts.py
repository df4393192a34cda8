"""From runs to verdicts: every claim on every data set, with all its statistics."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace

import numpy as np
import pandas as pd

from .claim import ERROR, At, Best, Beyond, Claim, Matched, NotRunError, Part, Selector
from .experiments import LEAST, Experiment
from .statistics import Comparison, compare, settle, together


def evaluate(
    experiment: Experiment, runs: pd.DataFrame, claims: Iterable[Claim]
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Verdicts (a row per claim), statistics (a row per comparison) and differences (a row per comparison and seed).

    ``runs`` are of this data set. Verdicts are uncorrected here; :func:`settle_all` accounts for their number. Claims
    whose runs were not made are left out.
    """
    verdicts, statistics, differences = [], [], []
    for claim in claims:
        if not claim.concerns(experiment.kind):
            continue
        decided, beside = _on(claim.parts, experiment), _on(claim.also, experiment)
        results = []
        for part in decided:
            try:
                results.append((part, *_compared(part, runs, experiment)))
            except NotRunError:
                if not claim.of_those_run:
                    results = []
                    break
        if not results:
            continue
        deciding = len(results)
        verdict, p = together([result for _, _, result in results])
        part, _, weakest = _weakest(results, verdict)
        verdicts.append(
            {
                "claim": claim.id,
                "finding": claim.finding,
                "sentence": claim.sentence,
                "verdict_alone": verdict,
                "reason_alone": weakest.reason,
                "p": p,
                "statistic": part.statistic,
                **{k: getattr(weakest, k) for k in ("effect", "low", "high", "sd", "n", "agree", "seeds_needed")},
                "unit": unit_of(part, experiment),
                "mark": part.mark,
                "direction": part.direction,
                "parts": deciding,
                "edge": "; ".join(dict.fromkeys(text for part, *_ in results for text in _edges(part, runs))),
            }
        )
        for part in beside:
            try:
                results.append((part, *_compared(part, runs, experiment)))
            except NotRunError:
                continue
        for place, (part, effect, result) in enumerate(results):
            shared = {"claim": claim.id, "statistic": part.statistic}
            statistics.append(
                {
                    **shared,
                    "deciding": place < deciding,
                    "column": part.column,
                    "first": label(part.first),
                    "second": "" if part.second is None else label(part.second),
                    "unit": unit_of(part, experiment),
                    "form": part.form,
                    "edge": "; ".join(_edges(part, runs)),
                    **asdict(result),
                }
            )
            differences += [{**shared, "seed": seed, "difference": value} for seed, value in effect.items()]
    return pd.DataFrame(verdicts), pd.DataFrame(statistics), pd.DataFrame(differences)


def settle_all(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Add ``p_holm``, ``verdict``, ``reason`` and ``family_size``.

    All claims on one kind of data at one budget are a family.
    """
    at = verdicts["budget"] + " " + verdicts["kind"]
    alone = verdicts.assign(verdict=verdicts["verdict_alone"], reason=verdicts["reason_alone"], family=at)
    return settle(alone).assign(family=verdicts["family"], family_size=at.map(at.value_counts()))


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
    return errors[experiment.kind] if part.unit == ERROR else part.unit


def _on(parts: Iterable[Part], experiment: Experiment) -> list[Part]:
    return [part for part in parts if part.on in (None, experiment.kind)]


def _compared(part: Part, runs: pd.DataFrame, experiment: Experiment) -> tuple[pd.Series, Comparison]:
    effect = part.differences(runs)
    usable = effect[np.isfinite(effect)]
    if not len(usable) and not part.matched:
        raise NotRunError(f"{part.statistic}: no seed has a value")
    result = compare(usable.to_numpy(), direction=part.direction, mark=part.mark, least=LEAST[experiment.kind])
    if len(usable) < len(effect):  # to leave out a run that failed would flatter the method that fails
        what = "have nothing to compare with" if part.matched else "have no value"
        reason = f"{len(effect) - len(usable)} of {len(effect)} seeds {what}"
        result = replace(result, verdict="undecided", reason=reason)
    return effect, result


def _edges(part: Part, runs: pd.DataFrame) -> list[str]:
    """Best settings of a comparison that are at the end of the range that was tried."""
    selectors = [s for s in (part.first, part.second) if isinstance(s, Best)]
    return [text for selector in selectors for text in selector.at_edge(runs)]


def _weakest(results: list[tuple[Part, pd.Series, Comparison]], verdict: str) -> tuple[Part, pd.Series, Comparison]:
    """Return the part on which the verdict depends: of the parts that have it the one nearest to changing."""
    same = [r for r in results if r[2].verdict == verdict] or results
    return max(same, key=lambda r: r[2].p) if verdict != "not reproduced" else min(same, key=lambda r: r[2].p)
