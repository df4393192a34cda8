"""The repair of a torchvision whose library does not load; each import in a fresh interpreter."""

import subprocess
import sys

import pytest

from aoqlab.lab.shared.torchvision_repair import repair

EXTENSION = "import torch\n\n\ndef _has_ops():\n    return {loads}\n"
# As torchvision's own code does on import.
REGISTER = (
    "from . import extension\nimport torch\n@torch.library.register_fake('torchvision::{name}')\ndef fake(*_): ...\n"
)


@pytest.fixture
def torchvision(tmp_path):
    """A package of this name that fails on import as the real one does."""
    folder = tmp_path / "torchvision"
    folder.mkdir()
    (folder / "extension.py").write_text(EXTENSION.format(loads=False))
    (folder / "__init__.py").write_text(REGISTER.format(name="nms"))
    return folder


def imports(folder):
    command = [sys.executable, "-c", "import torchvision"]
    return subprocess.run(command, cwd=folder.parent, capture_output=True, check=False).returncode == 0


def test_it_can_be_imported_afterwards_and_a_second_repair_changes_nothing(torchvision):
    assert not imports(torchvision)
    repair(torchvision)
    assert imports(torchvision)
    before = (torchvision / "extension.py").read_text()
    repair(torchvision)
    assert (torchvision / "extension.py").read_text() == before


def test_a_library_that_loads_declares_its_own_operators(torchvision):
    (torchvision / "extension.py").write_text(EXTENSION.format(loads=True))
    repair(torchvision)
    assert not imports(torchvision)  # nothing was declared in its place


@pytest.mark.parametrize("first", ["timm", "torchvision"])
def test_this_environment_imports_in_any_order(first):
    code = f"import {first}, torchvision, timm"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
