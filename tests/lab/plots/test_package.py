import ast
from pathlib import Path

import pytest

import aoqlab.lab.plots

FOLDER = Path(aoqlab.lab.plots.__file__).parent
ALLOWED = {"matplotlib", "numpy", "pandas", "seaborn", "aoqlab.lab.plots"}
STANDARD = {
    "__future__",
    "collections",
    "contextlib",
    "dataclasses",
    "importlib",
    "itertools",
    "numbers",
    "textwrap",
    "types",
    "typing",
}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            yield str(node.module)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_figures_redraw_from_tables_alone(path):
    for module in imports(path):
        root = module.split(".")[0]
        plain = "aoqlab.lab.plots" if module.startswith("aoqlab.lab.plots") else root
        assert plain in ALLOWED | STANDARD, f"{path.name} imports {module}"


def test_the_package_is_its_table_of_contents():
    tree = ast.parse((FOLDER / "__init__.py").read_text(encoding="utf-8"))
    assert all(isinstance(node, (ast.Expr, ast.ImportFrom)) for node in tree.body)


def test_no_function_shows_or_saves():
    for path in FOLDER.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "plt.show" not in text
        assert "savefig(" not in text


def test_the_style_sheet_is_package_data():
    assert (FOLDER / "aoqlab.mplstyle").is_file()
