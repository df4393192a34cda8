"""Parts of documents are replaced between their marks and nowhere else."""

import pytest

from aoqlab.lab.shared import documents

BEGIN, END = documents.marks("part")


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(f"before\n{BEGIN}\nSTALE\n{END}\nafter\n", encoding="utf-8")
    return path


def test_a_part_is_replaced_between_its_marks_and_nowhere_else(page):
    assert documents.differs(page, "part", "FRESH")
    assert documents.update(page, "part", "FRESH") == page
    assert page.read_text(encoding="utf-8") == f"before\n{BEGIN}\nFRESH\n{END}\nafter\n"
    assert not documents.differs(page, "part", "FRESH")


@pytest.mark.parametrize("text", ["nothing", BEGIN, f"{END} {BEGIN}", f"{BEGIN * 2}{END}"])
def test_a_page_without_both_marks_is_refused_and_kept(page, text):
    page.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="part: begin"):
        documents.update(page, "part", "FRESH")
    assert page.read_text(encoding="utf-8") == text
