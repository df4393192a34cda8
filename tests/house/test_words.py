"""Plain English in docstrings, comments, messages, test names, Markdown and notebooks.

`python tests/house/test_words.py [FILE ...]` prints every word to replace, with its file and line.
"""

import ast
import io
import json
import re
import sys
import tokenize
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

WORDS = {
    r"anew|afresh": "again",
    r"beside": "next to, with, or nothing",
    r"(a|each|every|the|any) person|persons|somebody|anybody|nobody": "user, or a noun that says who",
    r"(the|a) hand": "the user, the pointer",
    r"mend(s|ed|ing)?": "repair, fix",
    r"(go|goes|going|went|gone) on": "resume, continue",
    r"(?<!thing )(?<!\bone )(?<!body )(?<!what )(?<!where )(?<!who )else": "otherwise",
    r"lies?|lay|lying|lain": "is, are",
    r"stands?(?!-| for\b| out\b| still\b)|stood|standing": "is, are",
    r"those of": "the noun again, or a sentence of its own",
    r"(?<!soon )(?<!same )(?<!long )as (it is|it was|they are|they were)": "unchanged",
    r"hangs? on": "depends on",
    r"(?<!all )but for": "except for",
    r"the very": "the same, the",
    r"dear": "expensive, slow",
}
"""Pattern -> what to write instead. Words that are right in other senses have those senses excluded."""
PATTERN = re.compile(rf"\b({'|'.join(f'(?:{word})' for word in WORDS)})\b".replace(" ", r"\s"), re.I)

NOT_YET: set[str] = set()
"""Files and folders that still have such words. Remove a line as soon as its folder is clean."""

SUFFIXES = (".py", ".md", ".ipynb", ".js", ".css", ".hpp", ".cpp", ".sh")
FOLDERS = ("aoqlab", "tests", "benchmarks", "notebooks", "docs")
FILES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [*ROOT.glob("*.md"), ROOT / "run.sh", *ROOT.glob("*/README.md")]
    + [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
    if path.suffix in SUFFIXES and path != Path(__file__) and not {"node_modules", ".ipynb_checkpoints"} & {*path.parts}
)


def prose_of_markdown(text):
    """Yield (line, words) of a Markdown text without its code, links and the parts that commands write."""
    text = re.sub(r"^```.*?^```$|^<!-- (\w+): begin -->.*?^<!-- \1: end -->", _blank, text, flags=re.S | re.M)
    yield from enumerate(re.sub(r"\]\([^)]*\)", "]", text).splitlines(), 1)


def prose_of_python(source, strings=True):
    """Yield (line, words) of comments, docstrings, names of tests and, where `strings`, of messages."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and not re.match(r"# (noqa|type|fmt)\b", token.string):
            yield token.start[0], token.string
    nodes = list(ast.walk(ast.parse(source)))
    documents = [node.value for node in nodes if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)]
    for node in nodes:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node.lineno, node.name.replace("_", " ")
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and (node in documents or (strings and _is_message(node.value))):
            yield from enumerate(node.value.splitlines(), node.lineno)


def prose_of_notebook(text):
    """Yield (cell, words) of the prose, comments and messages of a notebook."""
    for number, cell in enumerate(json.loads(text)["cells"]):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            yield from ((number, line) for _, line in prose_of_markdown(source))
        else:
            source = re.sub(r"^%.*$", "", source, flags=re.M)
            yield from ((number, line) for _, line in prose_of_python(source))


def prose_of_c_like(text):
    """Yield (line, words) of the comments of JavaScript, C++ and CSS."""
    for match in re.finditer(r"(?<![:\"'`\w])//.*$|/\*[\s\S]*?\*/", text, re.M):
        yield from enumerate(match[0].splitlines(), text.count("\n", 0, match.start()) + 1)


def prose_of_shell(text):
    """Yield (line, words) of comments and messages of a shell script."""
    for number, line in enumerate(text.splitlines(), 1):
        yield from ((number, found) for found in re.findall(r"(?:^|\s)#.*$|\"[^\"]* [^\"]*\"|'[^']* [^']*'", line))


def _blank(match):
    return "\n" * match[0].count("\n")


def _is_message(text):
    return " " in text and not re.search(r"[;{}]\s*\n|=>|\bimport \w", text)  # no JavaScript, CSS or Python in a string


@cache
def complaints(file):
    """Return "line: word -> what to write" for every word to replace in a file."""
    path = ROOT / file
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        prose = prose_of_python(text, strings=not file.startswith("tests/"))
    else:
        kinds = {".md": prose_of_markdown, ".ipynb": prose_of_notebook, ".sh": prose_of_shell}
        prose = kinds.get(path.suffix, prose_of_c_like)(text)
    pieces = [(line + k, piece) for line, part in prose for k, piece in enumerate(part.splitlines())]
    lines = [line for line, _ in pieces]
    words = [re.sub(r"^\s*[#/*]*\s*|`[^`\n]*`|\s+$", "", piece) for _, piece in pieces]
    # One text, because a phrase may go over two lines.
    text = "\n".join(words)
    found = []
    for match in PATTERN.finditer(text):
        number = text.count("\n", 0, match.start())
        word = " ".join(match[0].split())
        advice = next(better for pattern, better in WORDS.items() if re.fullmatch(pattern, word, re.I))
        found.append(f"{lines[number]}: {word!r} -> {advice}    [{words[number].strip()[:90]}]")
    return found


def is_excused(file):
    return any(file == part or file.startswith(f"{part}/") for part in NOT_YET)


@pytest.mark.parametrize("file", [file for file in FILES if not is_excused(file)])
def test_a_file_is_in_plain_english(file):
    assert complaints(file) == []


def test_a_part_that_is_clean_is_held_clean():
    unclean = [file for file in FILES if is_excused(file) and complaints(file)]
    clean = [part for part in NOT_YET if not any(f"{file}/".startswith(f"{part}/") for file in unclean)]
    assert clean == [], "remove these from NOT_YET"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def f():\n    '''Made anew.'''", ["anew"]),
        ("x = 1  # lies here", ["lies"]),
        ("if a:\n    b = 1 if c else 2\nelse:\n    b = 3", []),
        ("raise ValueError(f'{x} is a mistake, else mend it')", ["else", "mend"]),
        ("def test_it_goes_on():\n    pass", ["goes on"]),
        ("'''Nothing else; see `beside`, underlying, understands, elsewhere, mid-air; `a` stands for `b`.'''", []),
    ],
)
def test_words_are_found_in_python_and_code_is_not(source, words):
    found = [match[0] for _, prose in prose_of_python(source) for match in PATTERN.finditer(re.sub("`.*?`", "", prose))]
    assert found == words


def test_code_in_markdown_is_no_prose():
    text = "a beside\n\n```\nbeside\n```\n<!-- x: begin -->\nbeside\n<!-- x: end -->\n[b](beside.md) `beside`"
    found = [line for line, words in prose_of_markdown(text) if PATTERN.search(re.sub("`.*?`", "", words))]
    assert found == [1]


if __name__ == "__main__":
    for name in sys.argv[1:] or FILES:
        name = Path(name).resolve().relative_to(ROOT).as_posix()
        print(
            *(f"{name}:{complaint}" for complaint in complaints(name)), sep="\n", end="\n" if complaints(name) else ""
        )
