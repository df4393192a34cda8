"""Private parts of other packages: each one in use is named here, with the reason why no public one will do."""

import argparse
import ast
import os
from collections import defaultdict
from pathlib import Path

import pytest
import torch

import aoqlab

PACKAGE = Path(aoqlab.__file__).parent

ALLOWED = {
    "_foreach_mul": "one call for all layers, as in Torch's optimizers; a call per layer costs more than it computes",
    "_foreach_mul_": "the same",
    "_foreach_norm": "the same",
    "_foreach_sub": "the same",
    "_version": "the counter behind autograd's check for tensors that were modified; described in its notes",
    "_python_dispatch": "whether a dispatch mode, as of make_fx, sees every operation: no public way to ask",
    "_dynamo": "the class of the errors of torch.compile, which torch.compiler does not export",
    "_exit": "os._exit, public in spite of its name: a worker ends without the clean-up that its parent would do",
    "_actions": "argparse lists the options of a parser nowhere else",
}

NAMED_TUPLE = {"_asdict", "_fields", "_make", "_replace"}  # public, whatever their names look like


def used(folder):
    """Name with a leading underscore -> where it is read, for those that the folder does not define."""
    own, places = set(), defaultdict(list)
    for path in sorted(folder.rglob("*.py")):
        own.add(path.stem)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                own.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                own.add(node.id)
            elif isinstance(node, ast.Attribute):
                if isinstance(node.ctx, ast.Store):
                    own.add(node.attr)
                else:
                    places[node.attr].append(f"{path.name}:{node.lineno}")
            elif isinstance(node, ast.ImportFrom) and not node.level:
                for name in [*(node.module or "").split("."), *(alias.name for alias in node.names)]:
                    places[name].append(f"{path.name}:{node.lineno}")
    private = {name for name in places if name.startswith("_") and not name.startswith("__")}
    return {name: places[name] for name in private - own - NAMED_TUPLE}


def test_every_private_part_in_use_is_named():
    assert {name: places for name, places in used(PACKAGE).items() if name not in ALLOWED} == {}


@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_a_private_part_that_is_named_is_there(name):
    if name == "_actions":
        owner = argparse.ArgumentParser()
    else:
        owner = {"_version": torch.Tensor, "_python_dispatch": torch.utils, "_exit": os}.get(name, torch)
    assert hasattr(owner, name)


def test_the_scan_finds_them(tmp_path):
    (tmp_path / "own.py").write_text("def _mine(): ...\nself._x = 1\ny = a._mine + self._x + torch._C\n")
    (tmp_path / "imports.py").write_text("from torch._utils import _other\nfrom ._mine import z\n")
    assert used(tmp_path).keys() == {"_C", "_utils", "_other"}
