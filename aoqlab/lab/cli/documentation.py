"""The parts of the documentation that are made from stored results and from the code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .. import claims
from ..claims import report, views
from ..methods.table import methods_table
from ..shared import documents
from .checkout import root_with


def parts() -> Iterator[tuple[Path, str, str]]:
    """Yield page, name of the part (see :mod:`aoqlab.lab.shared.documents`) and text for every such part."""
    folder = root_with("docs", command="docs") / "docs"
    yield folder / "claims.md", report.PART, report.table_text(claims.load(), report.grid_table)
    yield folder / "methods.md", "methods", methods_table()


def write() -> None:
    """Write all parts and the picture of the verdicts."""
    for page, part, text in parts():
        print(f"written: {documents.update(page, part, text)}")
    print(f"written: {views.save_overview(claims.load())}")
