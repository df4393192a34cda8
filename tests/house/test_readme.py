"""README and docs/: every example runs as written, every command is one, every link leads somewhere."""

import json
import re
import shlex
from pathlib import Path

import pytest

from aoqlab.lab import methods
from aoqlab.lab.claims import load, views
from aoqlab.lab.cli import commands, documentation

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "data" / "results"
README = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = {path.relative_to(ROOT).as_posix(): path for path in [README, *DOCS, ROOT / "CONTRIBUTING.md"]}
TEXTS = {name: path.read_text(encoding="utf-8") for name, path in PAGES.items()}


def blocks(text, language=""):
    """Return the blocks of code in a Markdown text that are in this language."""
    return [block for found, block in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.S | re.M) if found == language]


def commands_of(text):
    """Return what follows ``bash run.sh`` in a text: in lines of its blocks, and between backquotes."""
    lines = [line.partition("#")[0] for block in blocks(text) for line in block.splitlines()]
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M)
    calls = [line for line in lines if line.startswith("bash run.sh")] + re.findall(r"`(bash run\.sh[^`]*)`", prose)
    return [" ".join(call.removeprefix("bash run.sh").split()) for call in calls]


EXAMPLES = [
    pytest.param(code, id=f"{name}-{number}")
    for name, text in TEXTS.items()
    for number, code in enumerate(blocks(text, "python"), 1)
    if "aoqlab.lab" in code  # tests/core runs the others
]
CALLS = sorted({(name, call) for name, text in TEXTS.items() for call in commands_of(text)})


@pytest.mark.parametrize("code", EXAMPLES)
def test_an_example_runs_as_written(code, capsys):
    exec(compile(code, "example", "exec"), {"display": print})
    assert capsys.readouterr().out.strip() or "print" not in code


def test_readme_shows_the_tracker_surgery_and_every_explorer():
    shown = blocks(TEXTS["README.md"], "python")
    explored = [f"explorers.{name}(" for name in ("intervals", "toy", "landscape", "runs")]
    for call in ("tracker.update(", "quantized_layers(", "fold(", ".codes()", *explored):
        assert call in "\n".join(shown)
    assert all(len([line for line in example.splitlines() if line and "import" not in line]) <= 12 for example in shown)


@pytest.mark.parametrize(("name", "call"), CALLS)
def test_a_command_is_one_that_the_parser_reads(name, call):
    words = [word for word in shlex.split(call) if word != "[options]"]
    if not words or words[-1] == "--help" or words == ["train"] or words[0] == "ARCH":
        return
    assert words[0] != "bench" or (ROOT / "benchmarks" / f"{[*words, 'toy'][1]}.py").is_file()
    commands.read(words)


@pytest.mark.parametrize("name", commands.COMMANDS)
def test_every_command_is_documented(name):
    assert any(call.split()[:1] == [name] for _, call in CALLS)


def test_every_environment_variable_is_documented():
    sources = [path for folder in ("aoqlab", "notebooks") for path in (ROOT / folder).rglob("*.[pi]*y*")]
    used = {name for path in sources for name in re.findall(r"\bAOQLAB_[A-Z]+", path.read_text(encoding="utf-8"))}
    assert [name for name in used if f"`{name}" not in TEXTS["docs/lab.md"]] == []


@pytest.mark.parametrize("name", methods.names())
def test_every_method_is_in_its_table(name):
    assert re.search(rf"^\| `{re.escape(name)}` \|", TEXTS["docs/methods.md"], re.M)


@pytest.mark.parametrize("name", PAGES)
def test_every_link_and_picture_is_there(name):
    targets = re.findall(r"\]\(([^)#:]+)\)", TEXTS[name])
    assert [target for target in targets if not (PAGES[name].parent / target).exists()] == []


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_readme_leads_to_every_page(path):
    assert f"](docs/{path.name})" in TEXTS["README.md"]


@pytest.mark.parametrize("folder", ["notebooks", "aoqlab", "docs", "data", "figures", "benchmarks", "tests"])
def test_the_map_names_the_folder(folder):
    assert f"`{folder}/`" in TEXTS["README.md"]
    assert (ROOT / folder).is_dir()


def test_readme_is_short():
    assert len(TEXTS["README.md"].splitlines()) <= 130


def test_written_parts_are_as_the_command_writes_them(monkeypatch):
    monkeypatch.setenv("AOQLAB_ROOT", str(ROOT))
    for page, part, text in documentation.parts():
        now, again = page.read_text(encoding="utf-8"), f"{page}, part {part}, is out of date; run: bash run.sh docs"
        assert documentation.with_part(now, part, text) == now, again


def test_the_picture_shows_the_stored_verdicts():
    record = json.loads((ROOT / "figures" / f"{views.OVERVIEW}.json").read_text(encoding="utf-8"))
    again = "figures/verdicts.png and data/results/claims.parquet disagree; run: bash run.sh docs"
    assert record["parameters"]["verdicts"] == views.verdicts(load(RESULTS)), again


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_left_to_fill_in(name):
    assert "@@" not in TEXTS[name]


# Sentences of README on the paper, and the claim and data whose stored verdicts each of them tells.
TOLD = [
    ("AOQ explores more on every data set", "local-search", "", {"reproduced"}),
    ("no data set shows that it explores more", "weights-explore", "", {"not reproduced", "undecided"}),
    ("Shrinking the intervals early helps on both toy problems", "early-shrink", "toy", {"reproduced"}),
    ("no set of images shows that it helps there", "early-shrink", "digits", {"not reproduced", "undecided"}),
    ("no set of images shows that it helps there", "early-shrink", "cifar", {"not reproduced", "undecided"}),
    ("nor that AOQ ends better than every other", "better-at-2-bits", "digits", {"not reproduced", "undecided"}),
    ("nor that AOQ ends better than every other", "better-at-2-bits", "cifar", {"not reproduced", "undecided"}),
]


@pytest.mark.parametrize(("sentence", "claim", "data", "verdicts"), TOLD)
def test_a_sentence_on_the_paper_tells_the_stored_verdicts(sentence, claim, data, verdicts):
    assert sentence in " ".join(TEXTS["README.md"].split())
    table = load(RESULTS).claims
    found = table.loc[(table["claim"] == claim) & table["data"].str.startswith(data), "verdict"]
    assert len(found) and set(found) <= verdicts
