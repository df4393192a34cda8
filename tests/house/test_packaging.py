import ast
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import aoqlab

ROOT = Path(aoqlab.__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def declared(*extras):
    """Return the requirements of the small package and of these extras, also of the extras they name."""
    found, todo = [], [*PROJECT["dependencies"], *(line for extra in extras for line in EXTRAS[extra])]
    while todo:
        requirement = Requirement(todo.pop(0))
        if requirement.name == "aoqlab":
            todo += [line for extra in requirement.extras for line in EXTRAS[extra]]
        else:
            found.append(requirement)
    return found


# What bash run.sh installs.
DIRECT = declared("lab", "dev")


def pins(lines):
    found = [re.fullmatch(r"([a-z0-9-]+)==([0-9][0-9a-z.]*)", line) for line in lines]
    assert all(found), [line for line, match in zip(lines, found, strict=True) if not match]
    return {match[1]: Version(match[2]) for match in found}


LOCK_LINES = [x for x in (ROOT / "requirements.lock").read_text().splitlines() if not x.startswith("#")]
LOCK = pins(LOCK_LINES)


@pytest.fixture(scope="module")
def environment():
    return yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]


def test_the_lock_is_sorted_and_names_each_package_once():
    names = [line.partition("==")[0] for line in LOCK_LINES]
    assert names == sorted(set(names))


def test_the_lock_holds_no_package_that_belongs_to_one_machine():
    assert not [name for name in LOCK if name.startswith(("nvidia", "triton", "cuda")) or name in ("aoqlab", "pip")]


@pytest.mark.parametrize("requirement", DIRECT, ids=lambda requirement: requirement.name)
def test_every_direct_dependency_is_locked_within_its_bounds(requirement):
    assert requirement.specifier.contains(LOCK[canonicalize_name(requirement.name)])


def test_the_small_package_needs_four_packages_and_excludes_no_later_release():
    core = declared()
    assert [requirement.name for requirement in core] == ["torch", "numpy", "pandas", "jaxtyping"]
    assert all(bound.operator == ">=" for requirement in core for bound in requirement.specifier)


def test_no_requirement_is_exact():
    for extra in EXTRAS:
        exact = [str(r) for r in declared(extra) if any(bound.operator == "==" for bound in r.specifier)]
        assert exact == [], extra


@pytest.mark.parametrize(("folder", "extras"), [("aoqlab", ["lab"]), ("aoqlab/lab/plots", ["plots"]), ("core", [])])
def test_every_package_that_is_imported_is_declared(folder, extras):
    """Whole aoqlab needs no more than `lab`, its plots no more than `plots`, all outside aoqlab/lab/ no extra."""
    names = {canonicalize_name(requirement.name) for requirement in declared(*extras)}
    files = set((ROOT / "aoqlab").rglob("*.py") if folder == "core" else (ROOT / folder).rglob("*.py"))
    if folder == "core":
        files -= set((ROOT / "aoqlab" / "lab").rglob("*.py"))
    assert files
    distributions = packages_distributions()
    for path in files:
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        imported |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
        for name in {name.partition(".")[0] for name in imported} - sys.stdlib_module_names - {"aoqlab"}:
            owners = {canonicalize_name(owner) for owner in distributions.get(name, [name])}
            assert owners & names, f"{path.relative_to(ROOT)} imports {name}, which pyproject.toml does not name"


def installed_with(requirements):
    """Return the names of everything that these requirements bring along, from what is installed here."""
    todo, seen = [(r.name, extra) for r in requirements for extra in ("", *r.extras)], set()
    while todo:
        name, extra = canonicalize_name(todo[0][0]), todo.pop(0)[1]
        if (name, extra) in seen or name.startswith(("nvidia-", "cuda-", "triton")):
            continue
        seen.add((name, extra))
        for needed in map(Requirement, distribution(name).requires or []):
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                todo += [(needed.name, each) for each in ("", *needed.extras)]
    return {name for name, _ in seen}


def test_the_plots_extra_is_enough_to_draw(tmp_path):
    brought = installed_with(declared("plots"))
    others = [
        name
        for name, owners in packages_distributions().items()
        if not brought & {canonicalize_name(owner) for owner in owners} and name.isidentifier() and name != "aoqlab"
    ]
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({others}))\n"
        "from aoqlab.lab import plots\n"
        "plots.staircase([-1, 0, 1], [-1.5, -0.5, 0.5, 1.5]).figure.savefig(sys.argv[1])\n"
    )
    environment = os.environ | {"MPLBACKEND": "agg"}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "figure.png")], check=True, env=environment)


def test_the_lock_is_what_these_tests_run_with():
    """And it is complete: nothing that an installed aoqlab needs, however indirectly, is missing from it."""
    for name in installed_with(DIRECT):
        assert name in LOCK, f"{name} is installed and needed, but not locked"
        found = distribution(name).version
        assert Version(Version(found).public) == LOCK[name], f"{name} {found} is not the locked one"


def test_environment_yml_pins_the_direct_packages_as_the_lock_does(environment):
    (through_pip,) = [entry["pip"] for entry in environment if isinstance(entry, dict)]
    assert through_pip[-1] == "-e ."
    names = {canonicalize_name(requirement.name) for requirement in DIRECT}
    assert pins(through_pip[:-1]) == {name: LOCK[name] for name in names}


def test_environment_yml_takes_a_python_that_the_package_allows(environment):
    (python,) = [entry for entry in environment if isinstance(entry, str) and entry.startswith("python=")]
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains(python.partition("=")[2])


def test_citation_and_changelog_name_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == aoqlab.__version__
    assert f"## [{aoqlab.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def package_files():
    """Everything under aoqlab/ that is source or data, as paths from the project's root."""
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "aoqlab").rglob("*")
        if path.is_file() and not {"__pycache__", ".ipynb_checkpoints"} & set(path.parts)
    }


def test_a_wheel_and_an_sdist_hold_every_file_of_the_package(tmp_path):
    # The hooks that pip would call, in a process of their own because they read the working directory; the
    # build backend is in the lock, so the network is not needed.
    code = f"import hatchling.build as b; b.build_wheel({str(tmp_path)!r}); b.build_sdist({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    name = f"aoqlab-{aoqlab.__version__}"

    with zipfile.ZipFile(tmp_path / f"{name}-py3-none-any.whl") as wheel:
        assert {entry for entry in wheel.namelist() if ".dist-info/" not in entry} == package_files()
        assert "aoqlab=aoqlab.__main__:main" in wheel.read(f"{name}.dist-info/entry_points.txt").decode().replace(
            " ", ""
        )
        assert f"{name}.dist-info/licenses/LICENSE" in wheel.namelist()

    with tarfile.open(tmp_path / f"{name}.tar.gz") as sdist:
        assert {f"{name}/{path}" for path in package_files()} <= set(sdist.getnames())

    assert any(path.endswith(".mplstyle") for path in package_files())  # the test above would not miss it


def test_the_table_of_contents_is_the_same_for_python_and_for_type_checkers():
    tree = ast.parse((ROOT / "aoqlab" / "__init__.py").read_text())
    (for_checkers,) = [node for node in tree.body if isinstance(node, ast.If)]
    promised = {
        alias.asname: node.module
        for node in for_checkers.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert promised == aoqlab._HOME
    assert all(getattr(aoqlab, name).__module__.startswith(f"aoqlab.{home}") for name, home in promised.items())
