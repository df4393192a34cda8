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

# Everything outside aoqlab/lab/ is the small package, and needs these alone.
CORE_NEEDS = {"torch", "numpy", "pandas", "jaxtyping"}

# Patterns of module names without "aoqlab.", and the row of each. Row 0 holds helpers of the whole laboratory.
# Row 4.5 is apart: figures are drawn from tables, so plots see no other row, and only rows 5 and 6 draw.
ROWS = {
    "__main__": 1,
    "kernels": 1,
    "arguments": 1,
    "grids": 1,
    "ste": 1,
    "schedule": 1,
    "quantizers": 2,
    "losses": 2,
    "tracker": 2,
    "surgery": 3,
    "lab.shared": 0,
    "lab.models": 3,
    "lab.datasets": 3,
    "lab.methods": 3,
    "lab.toy": 4,
    "lab.training": 4,
    "lab.plots": 4.5,
    "lab.claims": 5,
    "lab.explorers": 6,
    "lab.cli": 6,
}
BESIDE = 4.5

# Third-party packages that have a home: the rows in which they may appear.
HOMES = {
    "timm": {3, 4, 5, 6},
    "torchvision": {3, 4, 5, 6},
    "ipywidgets": {6},
    "anywidget": {6},
    "argparse": {6},
    # not in helpers, which the command line loads at every start; not in plots, where tables alone are drawn
    "torch": {1, 2, 3, 4, 5, 6},
}
# Labels and colours of the methods, whose registry imports no torch.
DRAWN_FROM = {"aoqlab.lab.methods"}
DRAWING = {"matplotlib", "mpl_toolkits", "numpy", "pandas", "scipy", "seaborn"}

# Single modules that are stricter or freer than their row.
FORBIDDEN = {
    "schedule": {"torch"},  # a pure function of training progress
    "losses": {"aoqlab.quantizers"},  # any method can be studied with any loss and any tracker
    "tracker": {"aoqlab.quantizers"},
}
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path not in (PACKAGE / "__init__.py", PACKAGE / "lab" / "__init__.py")  # the tables of contents
}


def row_of(module):
    """The row of a module, or of the package it lives in; None if it has none."""
    for pattern, row in ROWS.items():
        if fnmatchcase(module, pattern) or fnmatchcase(module, f"{pattern}.*"):
            return row
    return None


def is_lab(module):
    return module.split(".")[0] == "lab"


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
            if base in ("aoqlab", "aoqlab.lab", "aoqlab.lab.shared"):  # `from aoqlab import grids` imports aoqlab.grids
                names |= {f"{base}.{alias.name}" for alias in node.names}
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
        if any(
            name == bad or name.startswith(f"{bad}.")
            for bad in FORBIDDEN.get(module.removeprefix("lab.").split(".")[0], ())
        ):
            found.append(f"aoqlab.{module} must not import {name}")
        elif top == "aoqlab" and is_lab(inner) and not is_lab(module):
            found.append(f"aoqlab.{module} is outside aoqlab.lab, but imports {name}")
        elif top == "aoqlab" and inner and (inner[0].islower() or inner[0] == "_"):
            other = row_of(inner)
            if other is None and inner.startswith("__"):
                continue  # `from aoqlab import __version__`
            if other is None:
                found.append(f"aoqlab.{module} imports {name}, which has no row")
            elif other > row:
                found.append(f"aoqlab.{module} (row {row:g}) imports {name} (row {other:g}) from below")
            elif row == BESIDE and other not in (0, BESIDE) and name not in DRAWN_FROM:
                found.append(f"aoqlab.{module} draws from tables alone, but imports {name} (row {other:g})")
        elif top == "aoqlab":
            found.append(f"aoqlab.{module} imports {name}: take it from the module that defines it")
        elif not is_lab(module) and top not in CORE_NEEDS and top not in sys.stdlib_module_names:
            found.append(f"aoqlab.{module} needs {', '.join(sorted(CORE_NEEDS))} only, but imports {name}")
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
        ("quantizers.aoq", "from ..lab.toy.regression import run", "is outside aoqlab.lab"),
        ("tracker", "from aoqlab import lab", "is outside aoqlab.lab"),
        ("tracker", "import aoqlab.lab.shared.files", "is outside aoqlab.lab"),
        ("surgery.layer_table", "import timm", "needs jaxtyping, numpy, pandas, torch only"),
        ("grids", "from aoqlab import AOQ", "take it from the module that defines it"),
        ("grids", "import aoqlab", "take it from the module that defines it"),
        ("lab.toy", "import ipywidgets", "home is elsewhere"),
        ("lab.claims", "import ipywidgets", "home is elsewhere"),
        ("lab.toy.regression", "import argparse", "home is elsewhere"),
        ("lab.shared.paths", "import torch", "home is elsewhere"),
        ("schedule", "from torch import Tensor", "must not import torch"),
        ("tracker", "from .quantizers.aoq import AOQ", "must not import aoqlab.quantizers"),
        ("lab.plots.quantizers", "import torch", "draws with"),
        ("lab.plots.quantizers", "from aoqlab.grids import UniformGrid", "draws from tables alone"),
        ("lab.plots.palette", "from ..methods.aoq import aoq", "draws from tables alone"),
        ("lab.toy.regression", "from aoqlab.lab.plots import staircase", "from below"),
        ("novelty", "import math", "has no row"),
        ("lab.claims", "from aoqlab.lab.novelty import x", "has no row"),
    ],
)
def test_a_wrong_import_is_found(module, source, complaint):
    (found,) = complaints(module, imports_of(source, module, is_package=False))
    assert complaint in found


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("quantizers.aoq", "from ..schedule import StageState\nfrom .base import Quantizer\nimport torch"),
        ("lab.claims.views", "from aoqlab.lab.plots import staircase\nfrom ..shared import paths"),
        ("lab.plots.quantizers", "from aoqlab.lab.plots.saving import save_figure\nimport numpy as np\nimport json"),
        ("lab.plots.palette", "from .. import methods"),
        ("lab.cli.commands", "import argparse\nfrom aoqlab import __version__\nfrom ..shared import paths"),
        ("grids", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .quantizers import AOQ"),
    ],
)
def test_a_right_import_is_not(module, source):
    assert complaints(module, imports_of(source, module, is_package=False)) == []
