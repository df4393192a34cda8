"""The parts of the documentation that are made from stored results and from the code, each between two marks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from .. import claims
from ..claims import report, views
from ..methods.registry import methods_table
from ..shared.files import write_atomic
from .checkout import root_with


def parts() -> Iterator[tuple[Path, str, str]]:
    """Yield page, name of the part and text for every such part."""
    folder = root_with("docs", command="docs") / "docs"
    yield folder / "claims.md", "claims", report.table_text(claims.load(), report.grid_table)
    yield folder / "methods.md", "methods", methods_table()


def with_part(page: str, part: str, text: str) -> str:
    """Return a page with ``text`` between the marks. ``ValueError`` where it does not have both, in this order."""
    begin, end = f"<!-- {part}: begin -->", f"<!-- {part}: end -->"
    pieces = re.split(f"({re.escape(begin)}|{re.escape(end)})", page)
    if pieces[1::2] != [begin, end]:
        raise ValueError(f"the page must have one {begin} and after it one {end}")
    return f"{pieces[0]}{begin}\n{text}\n{end}{pieces[4]}"


def write() -> None:
    """Write all parts and the picture of the verdicts."""
    for page, part, text in parts():
        print(f"written: {write_atomic(page, with_part(page.read_text(encoding='utf-8'), part, text).encode())}")
    print(f"written: {views.save_overview(claims.load())}")
