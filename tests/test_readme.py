import re
from pathlib import Path

import pandas as pd
import pytest

from aoqlab.findings import as_markdown

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_example_in_python_runs_and_reports(capsys):
    (example,) = re.findall(r"```python\n(.*?)```", README, re.S)
    code = example.replace("range(1000)", "range(30)").replace("step / 1000", "step / 30")
    assert code != example
    exec(compile(code, "README.md", "exec"), {})
    assert "explored_volume" in capsys.readouterr().out


def test_every_link_and_picture_is_there():
    targets = re.findall(r"\]\(([^)#:]+)\)", README)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


@pytest.mark.parametrize("folder", ["notebooks", "aoqlab", "data", "figures", "benchmarks", "tests"])
def test_the_map_names_the_folder(folder):
    assert f"`{folder}/`" in README
    assert (ROOT / folder).is_dir()


def test_the_findings_are_those_of_the_stored_study():
    findings = pd.read_parquet(ROOT / "data" / "results" / "toy-full-findings.parquet")
    assert as_markdown(findings) in README


def test_nothing_is_left_to_fill_in():
    assert "@@" not in README
