"""The layers of the house: a module imports only from its own row and the rows above it.

A new module gets a line in `ROWS`; everything below it follows from that line.
"""

import ast
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

import aoqlab

PACKAGE = Path(aoqlab.__file__).parent

# Patterns of module names without "aoqlab.", and the row of each. Row 0 holds helpers that all may use.
# Row 4.5 is "beside": figures are drawn from tables, so plots see no other row, and only rows 5 and 6 draw.
ROWS = {
    "paths": 0,
    "_torchvision": 0,
    "_files": 0,
    "_notebooks": 0,
    "_parallel": 0,
    "_readme": 0,
    "_provenance": 0,
    "grids": 1,
    "ste": 1,
    "schedule": 1,
    "findings": 1,
    "_native": 1,
    "quantizers": 2,
    "losses": 2,
    "tracker": 2,
    "probes": 2,
    "surgery": 3,
    "models": 3,
    "datasets": 3,
    "methods": 3,
    "toy": 4,
    "training": 4,
    "plots": 4.5,
    "figures": 4.5,
    "study": 5,
    "claims": 5,
    "runs": 5,
    "recording": 5,
    "explorers": 6,
    "widgets": 6,
    "cli": 6,
    "cli_claims": 6,
    "cli_training": 6,
    "cli_texts": 6,
    "live": 6,
    "pictures": 6,
}
BESIDE = 4.5

# Third-party packages that have a home: the rows in which they may appear.
HOMES = {
    "timm": {3, 4, 5, 6},
    "torchvision": {3, 4, 5, 6},
    "ipywidgets": {6},
    "anywidget": {6},
    "argparse": {6},
    "tyro": {6},
    "accelerate": {4, 5, 6},
    # not in helpers, which the command line loads at every start; not beside, where tables alone are drawn
    "torch": {1, 2, 3, 4, 5, 6},
}
DRAWING = {"matplotlib", "mpl_toolkits", "numpy", "pandas", "scipy", "seaborn"}

# Single modules that are stricter or freer than their row.
FORBIDDEN = {
    "schedule": {"torch"},  # a pure function of training progress
    "losses": {"aoqlab.quantizers"},  # any method can be studied with any loss and any tracker
    "tracker": {"aoqlab.quantizers"},
}
ALLOWED = {
    "_torchvision": {"torch"},  # inside a function, when torchvision is about to import it anyway
}

MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path not in (PACKAGE / "__init__.py", PACKAGE / "__main__.py")  # the table of contents and the door
}


def row_of(module):
    """The row of a module, or of the package it lives in; None if it has none."""
    for pattern, row in ROWS.items():
        if fnmatchcase(module, pattern) or fnmatchcase(module, f"{pattern}.*"):
            return row
    return None


def imports_of(source, module, is_package):
    """Full names of the modules that `source` imports at any depth, relative ones resolved.

    What only a type checker reads does not count: it is no dependency when the program runs.
    """
    package = ["aoqlab", *module.split(".")][: None if is_package else -1]
    names = set()
    todo = [ast.parse(source)]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            todo += node.orelse
            continue
        todo += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            if base == "aoqlab":  # `from aoqlab import paths` imports aoqlab.paths
                names |= {f"aoqlab.{alias.name}" for alias in node.names}
            else:
                names.add(base)
    return names


def complaints(module, imported):
    """Why `module` may not import what it does; one sentence each."""
    row = row_of(module)
    if row is None:
        return [f"aoqlab.{module} has no row: add it to ROWS in {Path(__file__).name}"]
    found = []
    for name in sorted(imported):
        top, _, inner = name.partition(".")
        if any(name == bad or name.startswith(f"{bad}.") for bad in FORBIDDEN.get(module.split(".")[0], ())):
            found.append(f"aoqlab.{module} must not import {name}")
        elif top == "aoqlab" and inner and (inner[0].islower() or inner[0] == "_"):
            other = row_of(inner)
            if other is None and inner.startswith("__"):
                continue  # `from aoqlab import __version__`
            if other is None:
                found.append(f"aoqlab.{module} imports {name}, which has no row")
            elif other > row:
                found.append(f"aoqlab.{module} (row {row:g}) imports {name} (row {other:g}) from below")
            elif row == BESIDE and other not in (0, BESIDE):
                found.append(f"aoqlab.{module} draws from tables alone, but imports {name} (row {other:g})")
        elif top == "aoqlab":
            found.append(f"aoqlab.{module} imports {name}: take it from the module that defines it")
        elif top in ALLOWED.get(module, ()):
            continue
        elif row == BESIDE and top not in DRAWING and top not in sys.stdlib_module_names:
            found.append(f"aoqlab.{module} draws with {', '.join(sorted(DRAWING))} only, but imports {name}")
        elif top in HOMES and row not in HOMES[top]:
            found.append(f"aoqlab.{module} (row {row:g}) imports {name}, whose home is elsewhere")
    return found


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_its_own_row_and_above(module):
    path = MODULES[module]
    imported = imports_of(path.read_text(encoding="utf-8"), module, is_package=path.name == "__init__.py")
    assert complaints(module, imported) == []


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        ("grids", "from .quantizers import AOQ", "from below"),
        ("grids", "from aoqlab import quantizers", "from below"),
        ("grids", "def f():\n    import aoqlab.quantizers.aoq", "from below"),
        ("quantizers.aoq", "from ..toy.regression import run", "from below"),
        ("grids", "from aoqlab import AOQ", "take it from the module that defines it"),
        ("grids", "import aoqlab", "take it from the module that defines it"),
        ("grids", "import timm.models", "home is elsewhere"),
        ("study", "import ipywidgets", "home is elsewhere"),
        ("toy.regression", "import argparse", "home is elsewhere"),
        ("paths", "import torch", "home is elsewhere"),
        ("schedule", "from torch import Tensor", "must not import torch"),
        ("tracker", "from .quantizers.aoq import AOQ", "must not import aoqlab.quantizers"),
        ("plots.weights", "import torch", "draws with"),
        ("plots.weights", "from aoqlab.grids import UniformGrid", "draws from tables alone"),
        ("toy.regression", "from aoqlab.plots import staircase", "from below"),
        ("novelty", "import math", "has no row"),
        ("study", "from aoqlab.novelty import x", "has no row"),
    ],
)
def test_a_wrong_import_is_found(module, source, complaint):
    (found,) = complaints(module, imports_of(source, module, is_package=False))
    assert complaint in found


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("quantizers.aoq", "from ..schedule import StageState\nfrom .base import Quantizer\nimport torch"),
        ("study", "from aoqlab.plots import staircase\nfrom . import paths"),
        ("plots.weights", "from aoqlab.figures import save_figure\nimport numpy as np\nimport json"),
        ("cli", "import argparse\nfrom aoqlab import __version__, paths"),
        ("grids", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .quantizers import AOQ"),
    ],
)
def test_a_right_import_is_not(module, source):
    assert complaints(module, imports_of(source, module, is_package=False)) == []
