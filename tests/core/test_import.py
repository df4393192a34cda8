"""What an import of aoqlab loads and names, and what it says where the packages of the laboratory are missing."""

import subprocess
import sys

import pytest

import aoqlab

# Two packages of each kind that only the laboratory needs. pandas is the core's, but tables alone need it.
OF_THE_LAB = ("matplotlib", "seaborn", "scipy", "torchvision", "timm", "ipywidgets", "anywidget", "joblib", "tyro")
USE = """
import torch
quantizer = AOQ(2).init_from(torch.randn(8))
tracker = OscillationTracker((8,), 2)
tracker.update(quantizer.encode(torch.randn(8)))
quantize(torch.nn.Sequential(*(torch.nn.Linear(4, 4) for _ in range(3))), weights=quantizer)
"""


def python(code, *arguments, without=()):
    """Run code in a fresh Python, in which the packages of `without` cannot be imported."""
    missing = f"import sys\nsys.modules.update(dict.fromkeys({without!r}))\n"
    command = [sys.executable, "-c", missing + code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def loaded_by(code):
    """Return the names of the packages that code loads, aoqlab's with their parents."""
    done = python(f"before = set(sys.modules)\n{code}\nprint(*set(sys.modules) - before)")
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_importing_it_loads_nothing():
    names = loaded_by("import aoqlab")
    assert {name for name in names if name.startswith("aoqlab")} == {"aoqlab"}
    assert not {"torch", "numpy", "pandas", "jaxtyping", *OF_THE_LAB} & names


def test_using_it_loads_neither_the_laboratory_nor_pandas():
    names = loaded_by(f"from aoqlab import AOQ, OscillationTracker, quantize\n{USE}")
    assert "aoqlab.quantizers" in names and "torch" in names
    assert not {"aoqlab.lab", "pandas", *OF_THE_LAB} & names


def test_a_star_import_gives_the_public_names():
    found = {}
    exec("from aoqlab import *", found)
    assert set(found) - {"__builtins__"} == set(aoqlab.__all__)
    assert {"AOQ", "OscillationTracker", "quantize", "fold", "ThreeStage"} <= set(aoqlab.__all__) <= set(dir(aoqlab))
    for name in aoqlab.__all__:
        assert found[name] is getattr(aoqlab, name)


def test_modules_are_reached_as_attributes():
    for name in ("grids", "kernels", "losses", "quantizers", "schedule", "ste", "surgery", "tracker"):
        assert getattr(aoqlab, name).__name__ == f"aoqlab.{name}"
    with pytest.raises(AttributeError, match="module 'aoqlab' has no attribute 'AOC'"):
        aoqlab.AOC  # noqa: B018


@pytest.mark.parametrize(
    "code",
    [
        "import aoqlab; aoqlab.lab.explorers",
        "from aoqlab import lab",
        "from aoqlab.lab import plots",
        "from aoqlab.lab.plots import staircase",
    ],
)
def test_without_its_packages_the_laboratory_says_what_to_install(code):
    done = python(code, without=OF_THE_LAB)
    assert done.returncode == 1
    wanted = 'aoqlab.lab needs matplotlib, which is not installed: pip install "aoqlab[lab]"'
    assert done.stderr.splitlines()[-1] == f"ModuleNotFoundError: {wanted}"


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["toy"], ["resnet20", "2", "1"]])
def test_without_its_packages_the_command_says_what_to_install(words):
    done = python("from aoqlab.__main__ import main; sys.exit(main())", *words, without=OF_THE_LAB)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == 'aoqlab: this needs matplotlib, which is not installed: pip install "aoqlab[lab]"\n'
