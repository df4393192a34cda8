import re
from pathlib import Path

import pytest

from aoqlab.lab import methods, recording
from aoqlab.lab.claims import load, report
from aoqlab.lab.shared import documents

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.S)


@pytest.mark.parametrize(("number", "shown"), [(0, "why_skipped"), (1, "explored_volume")])
def test_the_examples_in_python_run_and_report(number, shown, capsys):
    assert len(EXAMPLES) == 2
    code = EXAMPLES[number].replace("range(1000)", "range(30)").replace("step / 1000", "step / 30")
    exec(compile(code, "README.md", "exec"), {})
    assert shown in capsys.readouterr().out


@pytest.mark.parametrize("name", methods.names())
def test_every_method_is_in_its_table(name):
    assert re.search(rf"^\| .*`{re.escape(name)}`.* \|", README, re.M)


def test_every_link_and_picture_is_there():
    targets = re.findall(r"\]\(([^)#:]+)\)", README)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


@pytest.mark.parametrize("folder", ["notebooks", "aoqlab", "data", "figures", "benchmarks", "tests"])
def test_the_map_names_the_folder(folder):
    assert f"`{folder}/`" in README
    assert (ROOT / folder).is_dir()


def test_the_verdicts_are_those_of_the_stored_results():
    differs = report.readme_differs(load(ROOT / "data" / "results"), ROOT / "README.md")
    assert not differs, "README.md and data/results/claims.parquet disagree; run: bash run.sh reproduce --readme"


def test_the_recorded_runs_are_told_as_they_are_stored():
    differs = documents.differs(ROOT / "README.md", recording.PART, recording.readme_text())
    assert not differs, "README.md and data/recorded/ disagree; run: bash run.sh record PLAN"


def test_nothing_is_left_to_fill_in():
    assert "@@" not in README
