"""Tables as text and as Markdown."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from aoqlab.lab.shared.tables import as_markdown, as_text, literal

TABLE = pd.DataFrame(
    {
        "method": ["lsq", "aoq | decoupled"],
        "accuracy": [0.9, float("nan")],
        "n": [5, 10],
        "what was found": ["nothing", "fewer oscillations at the end of training"],
    }
)


def test_text_aligns_words_left_and_numbers_right():
    assert as_text(TABLE[["method", "accuracy", "n"]], formats={"accuracy": "{:.1%}"}).splitlines() == [
        "method           accuracy   n",
        "---------------  --------  --",
        "lsq                 90.0%   5",
        "aoq | decoupled         -  10",
    ]


@pytest.mark.parametrize("width", [12, 20, 40, 60, 80])
def test_text_is_never_wider_than_asked_and_loses_nothing(width):
    table = TABLE[["method", "what was found"]]
    lines = as_text(table, width=width).splitlines()
    assert max(map(len, lines)) <= width
    assert sorted("".join(lines).replace(" ", "").replace("-", "")) == sorted(
        "".join([*table, *table.to_numpy().ravel()]).replace(" ", "")
    )


def test_words_are_broken_only_where_spaces_are_not_enough():
    lines = as_text(TABLE[["method", "what was found"]], width=30).splitlines()
    assert "oscillations" in " ".join(lines) and max(map(len, lines)) <= 30


def test_a_table_without_rows_has_its_head():
    assert as_text(TABLE[:0][["method"]]).splitlines() == ["method", "------"]
    assert as_markdown(TABLE[:0][["method"]]).splitlines() == ["| method |", "| --- |"]


def test_markdown_escapes_bars_and_aligns_numbers():
    assert as_markdown(TABLE[["method", "n"]]).splitlines() == [
        "| method | n |",
        "| --- | ---: |",
        "| lsq | 5 |",
        "| aoq \\| decoupled | 10 |",
    ]


@pytest.mark.parametrize(
    "text",
    ["<script>alert(1)</script>", "[x](javascript:alert(1))", "`a` *b* | \\", "&lt;b> & <!--", "two\n# lines"],
)
def test_text_of_others_stays_text_in_markdown(text):
    from html import unescape

    from nbconvert.filters import markdown2html

    table = as_markdown(pd.DataFrame({"a": [f"**{literal(text)}**"]}))
    for page in (markdown2html(f"- {literal(text)}."), markdown2html(table)):
        assert set(re.findall(r"<(\w+)", page)) <= {"ul", "li", "table", "thead", "tbody", "tr", "th", "td", "strong"}
        assert " ".join(text.split()) in unescape(page)


def test_a_table_has_no_html_of_its_cells():
    assert as_markdown(pd.DataFrame({"<b>": ["<script>", "two\nlines"]})).splitlines()[0::2] == [
        "| &lt;b> |",
        "| &lt;script> |",
    ]
