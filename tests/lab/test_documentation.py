"""Parts of documents are replaced between their marks and nowhere else."""

import pytest

from aoqlab.lab.cli.documentation import with_part

BEGIN, END = "<!-- part: begin -->", "<!-- part: end -->"


def test_a_part_is_replaced_between_its_marks_and_nowhere_else():
    fresh = f"before\n{BEGIN}\nFRESH\n{END}\nafter\n"
    assert with_part(f"before\n{BEGIN}\nSTALE\n{END}\nafter\n", "part", "FRESH") == fresh
    assert with_part(fresh, "part", "FRESH") == fresh


@pytest.mark.parametrize("text", ["nothing", BEGIN, f"{END} {BEGIN}", f"{BEGIN * 2}{END}"])
def test_a_page_without_both_marks_is_refused(text):
    with pytest.raises(ValueError, match="part: begin"):
        with_part(text, "part", "FRESH")
