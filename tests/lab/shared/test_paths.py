from pathlib import Path

import jaxtyping
import pytest

import aoqlab
from aoqlab.lab.shared import paths

CHECKOUT = Path(aoqlab.__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def outside(monkeypatch, tmp_path):
    """Start every test outside a checkout, and without the variable that run.sh sets."""
    monkeypatch.delenv("AOQLAB_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)


def make_checkout(folder):
    (folder / paths.SELF).parent.mkdir(parents=True)
    (folder / paths.SELF).touch()
    (folder / "pyproject.toml").touch()
    return folder


def test_the_environment_variable_wins_over_a_checkout(monkeypatch, tmp_path):
    monkeypatch.chdir(make_checkout(tmp_path / "checkout"))
    monkeypatch.setenv("AOQLAB_ROOT", str(tmp_path / "elsewhere"))
    assert paths.project_root() == tmp_path / "elsewhere"


def test_the_nearest_checkout_above_the_working_directory_is_found(monkeypatch, tmp_path):
    inner = make_checkout(make_checkout(tmp_path / "outer") / "inner")
    (inner / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(inner / "a" / "b")
    assert paths.project_root() == inner


@pytest.mark.parametrize("there", ["pyproject.toml", paths.SELF])
def test_another_project_and_an_installed_copy_are_passed_over(monkeypatch, tmp_path, there):
    outer = make_checkout(tmp_path / "outer")
    (outer / "inner" / there).parent.mkdir(parents=True)
    (outer / "inner" / there).touch()
    monkeypatch.chdir(outer / "inner")
    assert paths.project_root() == outer


def test_an_editable_install_finds_its_own_checkout_from_anywhere():
    assert paths.project_root() == CHECKOUT


def test_without_any_checkout_the_working_directory_is_the_root(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "__file__", str(tmp_path / "site-packages" / "aoqlab" / "lab" / "shared" / "paths.py"))
    assert paths.project_root() == tmp_path


def test_output_folders_are_made_and_the_notebook_folder_is_not(monkeypatch, tmp_path):
    monkeypatch.setenv("AOQLAB_ROOT", str(tmp_path / "root"))
    made = [paths.data_dir(), paths.results_dir(), paths.figures_dir()]
    assert [str(folder.relative_to(tmp_path)) for folder in made] == [
        "root/data",
        "root/data/results",
        "root/figures",
    ]
    assert all(folder.is_dir() for folder in made)
    assert paths.notebooks_dir() == tmp_path / "root" / "notebooks"
    assert not paths.notebooks_dir().exists()


def test_annotations_are_enforced_in_these_tests():
    with pytest.raises(jaxtyping.TypeCheckError):
        paths._made("a string where a Path belongs")
