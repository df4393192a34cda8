import ast
import sys
from pathlib import Path

import pytest

import aoqlab.lab.plots

FOLDER = Path(aoqlab.lab.plots.__file__).parent
# What saves figures draws nothing.
MODULES = sorted(path for path in FOLDER.glob("*.py") if path.stem != "saving")
DRAWING = {"matplotlib", "numpy", "pandas", "scipy", "seaborn"}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level != 1:
            # The registry of methods gives names and colours.
            root = [alias.name for alias in node.names] if node.module is None else [node.module.split(".")[0]]
            assert not node.level or root == ["methods"], f"{path.name} imports {root} from outside the package"
            yield from () if node.level else root


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_figures_redraw_from_tables_alone(path):
    strangers = set(imports(path)) - DRAWING - sys.stdlib_module_names
    assert not strangers, f"{path.name} imports {strangers}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_no_function_shows_or_saves(path):
    text = path.read_text(encoding="utf-8")
    assert "plt.show" not in text
    assert "savefig(" not in text


def test_importing_seaborn_and_drawing_leave_the_settings_alone(ax):
    import matplotlib as mpl
    import pandas as pd

    before = dict(mpl.rcParams)
    runs = pd.DataFrame({"method": ["aoq", "lsq"], "lr": [1, 1], "seed": [0, 0], "loss": [1.0, 2.0]})
    aoqlab.lab.plots.method_comparison(runs, value="loss", ax=ax)
    aoqlab.lab.plots.crossings_over_time(runs, x="lr", y="loss", ax=ax)
    assert dict(mpl.rcParams) == before


def test_the_package_is_its_table_of_contents():
    tree = ast.parse((FOLDER / "__init__.py").read_text(encoding="utf-8"))
    assert all(isinstance(node, (ast.Expr, ast.ImportFrom)) for node in tree.body)


def test_the_style_sheet_is_package_data():
    assert (FOLDER / "aoqlab.mplstyle").is_file()
