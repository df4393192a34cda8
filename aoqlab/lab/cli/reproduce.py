"""The command ``aoqlab reproduce``, which tests the claims of the paper."""

from __future__ import annotations

import argparse
import dataclasses
import re
import textwrap
from html import unescape
from typing import TYPE_CHECKING

from ..shared import paths
from .options import whole

if TYPE_CHECKING:
    from ..claims import Results

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
    here = results.claims[results.claims["budget"] == options.budget]
    print(verdicts_text(dataclasses.replace(results, claims=here)))
    print(f"\nTables: {paths.results_dir()}")
    if not options.no_report and paths.notebooks_dir().is_dir():
        print(f"Report: {report_page.html()}")


def listing() -> str:
    """List every claim with what decides it, for a terminal."""
    from ..claims import CLAIMS
    from ..claims.report import protocol

    return _plain("\n\n".join(protocol(claim) for claim in CLAIMS.values()))


def verdicts_text(results: Results) -> str:
    """Return the verdicts for a terminal, and after each family what would change its verdicts."""
    from ..claims import FAMILIES
    from ..claims.report import change_of_mind, findings_of

    tried, blocks = set(results.claims["claim"]), []
    for family, found in FAMILIES.items():
        own = [findings_of(results, claim) for claim in found if claim.id in tried]
        blocks += [*own, change_of_mind(results, family)] if own else []
    return _plain("\n\n".join(blocks))


def _plain(markdown: str) -> str:
    """Return Markdown without its marks, wrapped."""
    lines = unescape(re.sub("[*`]", "", markdown)).splitlines()
    return "\n".join(textwrap.fill(line, WIDTH, subsequent_indent="  ", break_on_hyphens=False) for line in lines)
