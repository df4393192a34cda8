"""Tables for readers: text for a terminal, Markdown for documents."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from itertools import zip_longest

import pandas as pd

GAP = "  "
MISSING = "-"
_MARKS = re.compile(r"[&<>`*\[\]\\|]")


def literal(text: object) -> str:
    """Return Markdown that shows ``text``, which others may have written, on one line and character by character.

    Marks become character references, which mean themselves in Markdown and in HTML.
    """
    return _MARKS.sub(lambda mark: f"&#{ord(mark[0])};", " ".join(str(text).split()))


def as_text(table: pd.DataFrame, *, formats: Mapping[str, str] | None = None, width: int | None = None) -> str:
    """Return the table as aligned lines of at most ``width`` characters, the index left out.

    Cells of text are wrapped where the table would be wider, at spaces while that is enough. Columns of numbers are
    aligned right. ``formats`` maps a column to a format such as ``"{:.2%}"``; missing values are shown as "-".
    """
    columns = _columns(table, formats)
    right = {name for name in columns if _is_numeric(table[name])}
    widths = _fitted({name: [name, *cells] for name, cells in columns.items()}, width)
    rows = [[*columns], ["-" * widths[name] for name in columns], *map(list, zip(*columns.values(), strict=True))]
    lines = []
    for row in rows:
        wrapped = [_wrap(cell, widths[name]) for name, cell in zip(columns, row, strict=True)]
        for parts in zip_longest(*wrapped, fillvalue=""):
            places = zip(columns, parts, strict=True)
            aligned = [part.rjust(widths[n]) if n in right else part.ljust(widths[n]) for n, part in places]
            lines.append(GAP.join(aligned).rstrip())
    return "\n".join(lines)


def as_markdown(table: pd.DataFrame, *, formats: Mapping[str, str] | None = None) -> str:
    """Return the table as Markdown, the index left out; arguments as in :func:`as_text`.

    Cells may hold Markdown, but no HTML; :func:`literal` is for what may hold neither.
    """
    columns = _columns(table, formats)
    rules = ["---:" if _is_numeric(table[name]) else "---" for name in columns]
    rows = [[*columns], *map(list, zip(*columns.values(), strict=True))]
    head, *body = [[_cell(text) for text in row] for row in rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, rules, *body])


def _cell(text: object) -> str:
    return str(text).replace("|", "\\|").replace("<", "&lt;").replace("\n", "<br>")


def _columns(table: pd.DataFrame, formats: Mapping[str, str] | None) -> dict[str, list[str]]:
    formats = formats or {}
    return {
        name: [MISSING if pd.isna(value) else formats.get(name, "{}").format(value) for value in table[name]]
        for name in table
    }


def _is_numeric(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _fitted(columns: Mapping[str, list[str]], width: int | None) -> dict[str, int]:
    """Return a width per column; the columns with the most to give become narrower until the lines fit."""
    widths = {name: max(map(len, cells)) for name, cells in columns.items()}
    if width is None:
        return widths
    words = {name: max(len(word) for cell in cells for word in [*cell.split(), ""]) for name, cells in columns.items()}
    for _ in range(sum(widths.values()) + len(GAP) * (len(widths) - 1) - width):
        widest = max(widths, key=lambda name: (max(0, widths[name] - words[name]), widths[name]))
        widths[widest] = max(1, widths[widest] - 1)
    return widths


def _wrap(cell: str, width: int) -> list[str]:
    return textwrap.wrap(cell, width, break_on_hyphens=False) or [""]
