"""Parts of documents that commands write, each between two marks of its own."""

from __future__ import annotations

import re
from pathlib import Path

from .files import write_atomic


def marks(part: str) -> tuple[str, str]:
    """Return the lines before and after a part."""
    return f"<!-- {part}: begin -->", f"<!-- {part}: end -->"


def update(path: str | Path, part: str, text: str) -> Path:
    """Put ``text`` between the marks. ``ValueError`` where the file does not have both, in this order."""
    return write_atomic(path, _with_text(Path(path), part, text).encode())


def differs(path: str | Path, part: str, text: str) -> bool:
    """Whether the file says something else between the marks. ``ValueError`` as in :func:`update`."""
    return _with_text(Path(path), part, text) != Path(path).read_text(encoding="utf-8")


def _with_text(path: Path, part: str, text: str) -> str:
    begin, end = marks(part)
    pieces = re.split(f"({re.escape(begin)}|{re.escape(end)})", path.read_text(encoding="utf-8"))
    if pieces[1::2] != [begin, end]:
        raise ValueError(f"{path} must have one {begin} and after it one {end}")
    return f"{pieces[0]}{begin}\n{text}\n{end}{pieces[4]}"
