"""What a claim is: a sentence, and the statistics that decide it, written down before any of them is computed."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

Kind = Literal["landscape", "toy", "network"]


TUNED_OVER = ("lr", "shrink_min", "step_init")
"""Columns of the runs that settings are tuned over."""


class NotRunError(LookupError):
    """The runs that a statistic needs were not made on this data."""


@dataclass(frozen=True)
class At:
    """The runs of one variant."""

    variant: str

    def of(self, runs: pd.DataFrame, column: str) -> pd.Series:
        """Seed -> value. Raises ``NotRunError``."""
        return _only(runs, runs["variant"] == self.variant, self.variant).set_index("seed")[column].sort_index()


@dataclass(frozen=True)
class Best:
    """The variant of a group with the lowest mean error; chosen on half of the seeds, judged on the other half."""

    group: str
    without: tuple[str, ...] = ()
    """Variants of the group that are left out."""

    def of(self, runs: pd.DataFrame, column: str) -> pd.Series:
        """Seed -> value of the variant that was chosen on the other seeds. Raises ``NotRunError``."""
        return self.chosen(runs)[column]

    def chosen(self, runs: pd.DataFrame) -> pd.DataFrame:
        """Seed -> its run of the variant with the lowest mean error over the other half of the seeds.

        Seeds of even rank are judged at the variant chosen on the odd ones, and the other way round, so that no choice
        flatters its own result. (Leaving out one seed at a time would do the opposite: a seed on which a variant
        happens to fail is the one whose absence makes it look best.) With a single seed the choice is made on it.
        Raises ``NotRunError``.
        """
        own = _members(runs, self.group)
        own = own[~own["variant"].isin(self.without)]
        # A run that failed is the worst there is, and a mean of infinities has no order.
        own = own.assign(error=own["error"].where(np.isfinite(own["error"]), 1e12))
        seeds = sorted(own["seed"].unique())
        even, odd = seeds[0::2], seeds[1::2]
        rows = []
        for judged, chosen_on in ((even, odd), (odd, even)) if odd else ((even, even),):
            best = own[own["seed"].isin(chosen_on)].groupby("variant")["error"].mean().idxmin()
            found = own[own["seed"].isin(judged) & (own["variant"] == best)]
            if sorted(found["seed"]) != judged:
                raise ValueError(f"need one run of {best!r} on each of the seeds {judged}, got {sorted(found['seed'])}")
            rows.append(found)
        return pd.concat(rows).set_index("seed").sort_index()

    def at_edge(self, runs: pd.DataFrame) -> list[str]:
        """Return what was chosen at an end of the range tried, where a wider range might have served better."""
        own, chosen = _members(runs, self.group), self.chosen(runs)
        found = []
        for setting in TUNED_OVER:
            tried = own[setting].dropna() if setting in own else pd.Series(dtype=float)
            if tried.nunique() > 2:
                ends = {tried.min(), tried.max()} & set(chosen[setting])
                found += [f"{self.group.removesuffix(' grid')} at {setting} {end:g}" for end in sorted(ends)]
        return found


@dataclass(frozen=True)
class Matched:
    """Between the runs of a group, where they have the same ``by`` as the runs of ``like``, seed by seed.

    Linear in log(by) between neighbours; NaN where no two runs have it between them.
    """

    group: str
    like: str
    by: str

    def of(self, runs: pd.DataFrame, column: str) -> pd.Series:
        """Seed -> value. Raises ``NotRunError``."""
        own = _members(runs, self.group)
        if own["variant"].nunique() < 2:
            raise NotRunError(f"there is one variant of {self.group!r} alone, and nothing between")
        wanted = At(self.like).of(runs, self.by)
        found = {}
        for seed, rows in own.groupby("seed"):
            rows = rows.sort_values(self.by)
            at, values = np.log(rows[self.by].clip(lower=1e-9)), rows[column]
            where = np.log(max(wanted[seed], 1e-9))
            found[seed] = float(np.interp(where, at, values, left=np.nan, right=np.nan))
        return pd.Series(found, name=column).rename_axis("seed")


@dataclass(frozen=True)
class Beyond:
    """The runs of one variant, less the runs of another on the same seeds."""

    variant: str
    base: str

    def of(self, runs: pd.DataFrame, column: str) -> pd.Series:
        """Seed -> difference. Raises ``NotRunError``."""
        return At(self.variant).of(runs, column) - At(self.base).of(runs, column)


Selector = At | Best | Matched | Beyond


@dataclass(frozen=True)
class Measure:
    """A number of every run, and how two of them are compared."""

    column: str
    """Of the table of runs."""
    unit: str
    form: Literal["difference", "log2 ratio"] = "difference"
    derive: Callable[[pd.DataFrame], pd.Series] | None = None
    """Makes ``column`` from the others, where no run has it."""


RATE, SHARE, UNIT_OF_ERROR = "per weight and 1000 steps", "share", "error"
"""The unit of errors is that of the data at hand: mean squared error, or points of test error."""
ERROR = Measure("error", UNIT_OF_ERROR)
VOLUME = Measure("explored_volume", "share of volume")
CROSSINGS = Measure("crossings", RATE)


@dataclass(frozen=True)
class Part:
    """One comparison, paired by seed."""

    statistic: str
    """In words: what is compared with what."""
    measure: Measure
    first: Selector
    second: Selector | None
    """``None``: the first alone is compared with the mark."""
    direction: Literal[1, -1]
    """Sign of the effect that the claim predicts."""
    says: str = ""
    """What an effect means, such as "LSQ explores {} less|more", the first word for a positive one."""
    mark: float = 0.0
    """What the effect has to be beyond, in the unit."""
    on: Kind | None = None
    """The kind of data it is meant for; ``None``: any."""

    def said(self, effect: float) -> str:
        """Return an effect in words; a ratio as how many times."""
        if not self.says:
            return f"{self.statistic}: {effect:+.2g}"
        size = f"{2 ** abs(effect):.2g}" if self.measure.form == "log2 ratio" else f"{abs(effect):.2g}"
        chosen = re.sub(r"(\w+)\|(\w+)", r"\1" if effect > 0 else r"\2", self.says)
        return chosen.format(size)

    @property
    def matched(self) -> bool:
        """Whether a seed may have nothing to be compared with."""
        return isinstance(self.second, Matched)

    def differences(self, runs: pd.DataFrame) -> pd.Series:
        """Seed -> effect in the unit. Raises ``NotRunError`` where runs or the measure are missing."""
        column = self.measure.column
        if self.measure.derive is not None:
            runs = runs.assign(**{column: self.measure.derive(runs)})
        if column not in runs:
            raise NotRunError(f"{column} is not measured here")
        effect = self.first.of(runs, column)
        if self.second is not None:
            first, second = effect, self.second.of(runs, column)
            if set(first.index) != set(second.index):
                raise NotRunError(f"{self.statistic}: seeds differ, {sorted(first.index)} and {sorted(second.index)}")
            effect = np.log2(first / second) if self.measure.form == "log2 ratio" else first - second
        if effect.isna().all() and not self.matched:
            raise NotRunError(f"{column} is not measured here")
        # Errors are differences from 1, and equal ones should differ by nothing.
        return effect.sort_index().round(12)


@dataclass(frozen=True)
class Claim:
    """A claim of the paper, or of this project where the paper is silent, and what decides it."""

    id: str
    finding: Literal[1, 2, 3]
    """The paper's finding that it belongs to: local search; moderate oscillation explores; decoupling stabilises."""
    sentence: str
    """In our own words."""
    parts: tuple[Part, ...]
    """All of these must hold."""
    also: tuple[Part, ...] = ()
    """Shown for comparison, with intervals; they decide nothing."""
    because: str = ""
    """Why this statistic, and what it leaves open; also where it was revised after a look at results."""
    of_those_run: bool = False
    """Whether parts whose runs were not made are left out, as long as one is left; otherwise the claim is."""

    def concerns(self, kind: Kind) -> bool:
        """Whether the claim can be asked of this kind of data; a claim about the landscape is of no other."""
        return (kind == "landscape") == all(part.on == "landscape" for part in self.parts)

    def asks_for(self, variant: str, groups: Collection[str]) -> bool:
        """Whether the claim looks at the runs of a variant that is in these groups."""
        for selector in (s for part in (*self.parts, *self.also) for s in (part.first, part.second)):
            match selector:
                case At(name):
                    asked = variant == name
                case Best(group, without):
                    asked = group in groups and variant not in without
                case Matched(group, like):
                    asked = group in groups or variant == like
                case Beyond(name, base):
                    asked = variant in (name, base)
                case None:
                    asked = False
            if asked:
                return True
        return False


def _members(runs: pd.DataFrame, group: str) -> pd.DataFrame:
    return _only(runs, runs["groups"].map(lambda groups: group in groups.split("|")), group)


def _only(runs: pd.DataFrame, mask: pd.Series, what: str) -> pd.DataFrame:
    if not mask.any():
        raise NotRunError(f"there are no runs of {what!r}")
    return runs[mask]
