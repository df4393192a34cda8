"""What was found, for readers: tables and sentences made from the stored results."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from ..plots.verdicts import ROUNDING, VERDICTS, verdict_look
from ..shared.tables import as_markdown, literal
from .claim import Claim, Kind
from .experiments import BUDGETS, experiments
from .families import CLAIMS, FAMILIES
from .report_page import html as html
from .results import Results
from .statistics import MOST_SEEDS
from .views import absent, data_sets, one_each

EDGE = "‡"
"""After a verdict for which a best setting is at the end of the range tried."""


def protocol(claim: Claim) -> str:
    """Return what decides a claim, as Markdown; nothing in it depends on a result."""
    lines = [f"**`{claim.id}`** (the paper's finding {claim.finding}). {claim.sentence}", ""]
    for part in claim.parts:
        where = {"landscape": "", "toy": " (toy problems)", "network": " (networks)", None: ""}[part.on]
        side = "above" if part.direction > 0 else "below"
        lines.append(f"- Decides{where}: *{part.statistic}* is {side} {part.mark:g} {part.measure.unit}.")
    for budget in BUDGETS:
        needs = [
            f"{sum(claim.asks_for(v.name, v.groups) for v in e.variants)} settings on {e.data}, {e.seeds} seeds"
            for e in experiments(budget)
            if claim.concerns(e.kind)
        ]
        lines += [f"- Runs at budget {budget}: {'; '.join(needs)}."] if needs else []
    if claim.also:
        lines.append(f"- For comparison, deciding nothing: {'; '.join(f'*{part.statistic}*' for part in claim.also)}.")
    return "\n".join(lines) + (f"\n\n{claim.because}" if claim.because else "")


def _shown(claims: pd.DataFrame) -> pd.DataFrame:
    """Return the rows to show, whose text, stored by whoever made them, is text in Markdown too."""
    return one_each(claims).map(lambda value: literal(value) if isinstance(value, str) else value)


def findings_of(results: Results, claim: Claim, kind: Kind | None = None) -> str:
    """Return the verdict on one claim on every data set, as Markdown, with what it depends on."""
    rows = _shown(results.claims)
    rows = rows[(rows["claim"] == claim.id) & (rows["kind"].eq(kind) if kind else True)]
    lines = [f"**`{claim.id}`**: {claim.sentence}", ""]
    if rows.empty:
        lines.append("- Not tried: no runs of it are stored.")
    for row in rows.to_dict("records"):
        hangs = "" if row["parts"] == 1 else f" (of {row['parts']} that must hold, the one it depends on)"
        lines.append(
            f"- {row['data']}: {verdict_look(row['verdict']).symbol} **{row['verdict']}**. {row['statistic']}{hangs}: "
            f"{_effect(row)}, {row['agree']} of {row['n']} seeds agree{_reason(row)}."
        )
    return "\n".join(lines)


def change_of_mind(results: Results, family: str) -> str:
    """Return what would change the verdicts of a family, as Markdown: seeds that would settle it, tests that ran."""
    rows = _shown(results.claims)
    rows = rows[rows["claim"].isin([claim.id for claim in FAMILIES[family]])]
    lines = []
    for row in rows[rows["verdict"] == "undecided"].to_dict("records"):
        more = ""  # no number of seeds is known to help against a failed run, or a correction
        if pd.notna(row["seeds_needed"]) and np.isinf(row["seeds_needed"]):
            more = f"; so near the mark that even {MOST_SEEDS} seeds would not settle it"
        elif pd.notna(row["seeds_needed"]):
            more = f"; were the effect and spread seen the true ones, {_seeds(row)} would settle it"
        where = f"- `{row['claim']}` on {row['data']} is undecided with {row['n']} seeds"
        lines.append(f"{where}{_reason(row)}{more}.")
    lines += [] if lines else ["- No verdict of this family is undecided; other data could still turn any of them."]
    for row in rows[rows["verdict"] != "undecided"].to_dict("records"):
        otherwise = row["n"] - row["agree"] if row["verdict"] == "reproduced" else row["agree"]
        lines.append(
            f"- `{row['claim']}` on {row['data']} is {row['verdict']}, with p = {row['p_holm']:.2g} after correction "
            f"for {row['family_size']} tests; {otherwise} of {row['n']} seeds say otherwise."
        )
    return "\n".join(lines)


def untried(results: Results) -> str:
    """Return what these results do not speak about, as Markdown, compared with all claims and budgets."""
    shown, lines = _shown(results.claims), []
    missing = [budget for budget in BUDGETS if budget not in set(results.claims["budget"])]
    lines += [
        f"- Nothing was run at budget *{budget}*: `bash run.sh reproduce --budget {budget}`." for budget in missing
    ]
    for data, own in shown.groupby("data", sort=False):
        untold = [c for c in CLAIMS.values() if c.concerns(own["kind"].iloc[0]) and c.id not in set(own["claim"])]
        left = [f"`{claim.id}`" for claim in untold]
        lines += [f"- On {data} without runs or measure: {', '.join(left)}."] if left else []
    networks = [data for data in data_sets(results) if not data.startswith(("landscape", "toy", "digits"))]
    lines += ["- No images but handwritten digits: give a folder of them, `--images FOLDER`."] if not networks else []
    lines.append("- Bits other than 2 were not tried.")
    lines += ["- Nothing here was trained on a GPU."] if (results.claims["device"] == "CPU").all() else []
    kinds = shown.drop_duplicates("data").set_index("data")["title"]
    lines.append(
        "- All verdicts are about these data alone: " + "; ".join(f"*{d}*: {t}" for d, t in kinds.items()) + "."
    )
    return "\n".join(lines)


def headline(results: Results) -> str:
    """How many claims hold where, and which verdicts agree on all data sets, as Markdown."""
    shown = _shown(results.claims)
    counts = "\n".join(
        f"- On {data}: {', '.join(f'{n} {verdict}' for verdict in VERDICTS if (n := int((own == verdict).sum())))}"
        for data in map(literal, data_sets(results))
        for own in [shown.loc[shown["data"] == data, "verdict"]]
    )
    everywhere = shown.groupby("claim", sort=False)["verdict"].agg(lambda verdicts: set(verdicts))
    lines = []
    for verdict in VERDICTS:
        names = [f"`{claim}`" for claim, found in everywhere.items() if found == {verdict}]
        lines += [f"- **{verdict.capitalize()}** on every data set tried: {', '.join(names)}."] if names else []
    mixed = [f"`{claim}`" for claim, found in everywhere.items() if len(found) > 1]
    lines += [f"- Not the same on all: {', '.join(mixed)}."] if mixed else []
    judged = f"{len(everywhere)} of {len(CLAIMS)} claims were judged, each on its own:"
    return "\n".join([judged, "", counts, *lines])


def markdown_table(claims: pd.DataFrame) -> str:
    """Verdicts as a Markdown table: a row per claim and data set; a claim's sentence is in its first row."""
    shown = _shown(claims)
    rows = [
        {
            "claim": f"`{row['claim']}`" if told else f"`{row['claim']}` {row['sentence']}",
            "data": row["data"],
            "effect, 95% interval": _effect(row),
            "n (agree)": f"{row['n']} ({row['agree']})",
            "verdict": f"{verdict_look(row['verdict']).symbol} {row['verdict']}{EDGE if row['edge'] else ''}",
            "seeds to settle": _seeds(row).replace(" seeds", "") if row["verdict"] == "undecided" else "",
        }
        for row, told in zip(shown.to_dict("records"), shown.duplicated("claim"), strict=True)
    ]
    return as_markdown(pd.DataFrame(rows))


def grid_table(claims: pd.DataFrame) -> str:
    """Verdicts as a Markdown table with a row per claim and a column per data set."""
    shown, rows = _shown(claims), []
    without = absent(shown)
    for name, own in shown.groupby("claim", sort=False):
        cells = {
            row["data"]: f"{verdict_look(row['verdict']).symbol} **{row['verdict']}**{EDGE if row['edge'] else ''} "
            f"{_effect(row)}, {row['agree']}/{row['n']} seeds"
            for row in own.to_dict("records")
        }
        row = {"claim": f"`{name}` {own['sentence'].iloc[0]}"}
        rows.append(row | {data: cells.get(data, without[name, data]) for data in shown["data"].unique()})
    return as_markdown(pd.DataFrame(rows))


def table_text(results: Results, table: Callable[[pd.DataFrame], str] = markdown_table) -> str:
    """Return where the numbers come from, the table, and what the data are; docs/claims.md has :func:`grid_table`."""
    shown = _shown(results.claims)
    sets = []
    for data, own in shown.groupby("data", sort=False):
        first, low, high = own.iloc[0], own["n"].min(), own["n"].max()
        n = f"{low}" if low == high else f"{low} to {high}"
        sets.append(f"*{data}* ({first['budget']}, n = {n}): {first['title']}")
    at_edge = shown[shown["edge"] != ""]
    edges = "; ".join(f"`{row.claim}` on {row.data}: {row.edge}" for row in at_edge.itertuples())
    more = f"\n\n{EDGE} A best setting is at the end of the range that was tried ({edges})." if edges else ""
    return f"{_origin(shown)}\n\n{table(results.claims)}{more}\n\nData (budget, seeds): {'; '.join(sets)}."


def _effect(row: dict) -> str:
    beyond = "" if not row["mark"] else f" (to be {'above' if row['direction'] > 0 else 'below'} {row['mark']:g})"
    if not np.isfinite(row["effect"]):
        return f"nothing to compare with{beyond}"
    # Differences of equal errors are zero except for rounding.
    effect, low, high = (0.0 if abs(row[k]) < ROUNDING else row[k] for k in ("effect", "low", "high"))
    return f"{effect:+.3g} [{low:+.3g}, {high:+.3g}] {row['unit']}{beyond}"


def _seeds(row: dict) -> str:
    """Return how many seeds would settle a row, or nothing where only a correction holds the verdict back."""
    needed = row["seeds_needed"]
    if pd.isna(needed):
        return f"more than {row['n']} seeds"
    return f"about {needed:.0f} seeds" if np.isfinite(needed) else f"more than {MOST_SEEDS} seeds"


def _reason(row: dict) -> str:
    return f"; {row['reason']}" if row["reason"] else ""


def _origin(shown: pd.DataFrame) -> str:
    dates = sorted(shown["date"].unique())
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    machines = shown[["processor", "cores", "device", "torch"]].drop_duplicates().itertuples()
    where = "; ".join(
        f"{m.processor}, {m.cores} cores{'' if m.device == 'CPU' else f', {m.device}'}, torch {m.torch}"
        for m in machines
    )
    budgets = ", ".join(budget for budget in BUDGETS if budget in set(shown["budget"]))
    return f"Measured {when} on {where}; budgets: {budgets}. Written by `bash run.sh reproduce`, not by hand."
