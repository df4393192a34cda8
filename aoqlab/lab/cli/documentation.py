"""The parts of the documentation that are made from stored results and from the code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .. import claims
from ..claims import overview, report
from ..methods.table import methods_table
from ..shared import documents, paths


def parts() -> Iterator[tuple[Path, str, str]]:
    """Yield page, name of the part (see :mod:`aoqlab.lab.shared.documents`) and text for every such part."""
    folder = paths.project_root() / "docs"
    yield folder / "claims.md", report.PART, report.readme_text(claims.load())
    yield folder / "methods.md", "methods", methods_table()


def write_parts() -> list[Path]:
    """Write all parts and the picture of the verdicts; return the changed files."""
    written = [documents.update(page, part, text) for page, part, text in parts()]
    return [*written, overview.save_overview(claims.load())]
