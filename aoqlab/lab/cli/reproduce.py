"""The command ``aoqlab reproduce``, which tests the claims of the paper."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..shared import paths
from .options import whole

if TYPE_CHECKING:
    import pandas as pd

WIDTH = 100


def add_options(command: argparse.ArgumentParser) -> None:
    """Add the options of ``reproduce``."""
    command.add_argument(
        "--budget",
        choices=("first", "quick", "cpu", "full"),
        default="quick",
        help="first: what `bash run.sh` measures; quick: minutes on two cores (default); cpu: at most 90 minutes; "
        "full: the published recipes, for a GPU",
    )
    command.add_argument("--claim", nargs="+", metavar="ID", help="only these claims; `--list` names them")
    command.add_argument("--seeds", type=whole, metavar="N", help="seeds 0 to N-1, instead of the budget's own number")
    command.add_argument("--data", nargs="+", metavar="NAME", help="only these data sets of the budget")
    command.add_argument(
        "--images", metavar="FOLDER", help="images for cpu (a part of them) and full; also cifar10, cifar100"
    )
    command.add_argument("--jobs", type=whole, metavar="N", help="runs at a time (default: one per core)")
    command.add_argument("--list", action="store_true", help="say what the claims are and what decides each, and end")
    command.add_argument("--no-report", action="store_true", help="leave out data/results/report.html")


def reproduce(options: argparse.Namespace) -> None:
    """Run, print the verdicts, write the report."""
    from .. import claims
    from ..claims import report_page

    if options.list:
        print(listing())
        return
    print(f"aoqlab: does the paper hold? Budget {options.budget}; an interrupted call resumes where it was.")
    try:
        results = claims.reproduce(
            options.budget,
            claims=options.claim,
            seeds=options.seeds,
            data=options.data,
            images=options.images,
            jobs=options.jobs,
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted; finished runs are kept, the same command makes the others") from None
    print(verdicts_text(results.claims[results.claims["budget"] == options.budget]))
    print(f"\nTables: {paths.results_dir()}")
    if not options.no_report and paths.notebooks_dir().is_dir():
        print(f"Report: {report_page.html()}")


def listing() -> str:
    """List every claim with the statistics that decide it."""
    from ..claims import FAMILIES

    lines = []
    for family, found in FAMILIES.items():
        lines.append(f"\n{family}")
        for claim in found:
            lines += [f"  {claim.id} (the paper's finding {claim.finding})", *_wrapped(claim.sentence, 4)]
            lines += [f"      decided by: {part.statistic} [{part.measure.unit}]" for part in claim.parts]
    return "\n".join(lines).lstrip("\n")


def verdicts_text(table: pd.DataFrame) -> str:
    """Return the verdicts for a terminal, a block per claim."""
    lines: list[str] = []
    for _, rows in table.groupby("claim", sort=False):
        lines += ["", *_wrapped(f"{rows['claim'].iloc[0]}: {rows['sentence'].iloc[0]}", 0)]
        lines += [_verdict_line(row) for row in rows.to_dict("records")]
    return "\n".join(lines)


def _verdict_line(row: dict[str, object]) -> str:
    head = f"  {str(row['verdict']).upper():<15} on {row['data']}"
    effect = f"{row['statistic']}: {row['effect']:+.3g} [{row['low']:+.3g}, {row['high']:+.3g}] {row['unit']}"
    more = [f"{row['agree']}/{row['n']} seeds agree"]
    needed = row["seeds_needed"]
    if isinstance(needed, float) and needed == needed:  # NaN where nothing is undecided
        more.append(
            "no number of seeds up to 1000 would settle it" if needed > 1000 else f"{needed:.0f} seeds would settle it"
        )
    if row["reason"]:
        more.append(str(row["reason"]))
    return "\n".join([head, f"      {effect}", f"      {'; '.join(more)}"])


def _wrapped(text: str, indent: int) -> Sequence[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * (indent + 2))
