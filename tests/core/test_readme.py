"""Python examples of README and docs/ that need the small package alone run as written, without the laboratory."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = {
    f"{page.stem}-{number}": code
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    for number, code in enumerate(
        re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.S | re.M), 1
    )
    if "aoqlab.lab" not in code
}


def test_readme_has_examples_of_quantizers_tracker_and_surgery():
    words = set(re.findall(r"\w+", " ".join(code for name, code in EXAMPLES.items() if name.startswith("README"))))
    assert {"AOQ", "OscillationTracker", "quantize", "quantized_layers", "fold"} <= words


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs_as_written(name, capsys):
    exec(compile(EXAMPLES[name], name, "exec"), {})
    assert capsys.readouterr().out.strip() or "print" not in EXAMPLES[name]
