import os
import shutil
import subprocess

import pytest

from aoqlab.lab.shared import provenance

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


def git(folder, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout


@needs_git
def test_the_commit_is_that_of_the_packages_own_checkout(tmp_path, monkeypatch):
    source = tmp_path / "aoqlab" / "lab" / "shared" / "provenance.py"
    source.parent.mkdir(parents=True)
    source.write_text("one", encoding="utf-8")
    git(tmp_path, "init", "-q")
    monkeypatch.setattr(provenance, "__file__", str(source))
    assert provenance._git_record() == {"commit": None, "dirty": None}
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    commit = git(tmp_path, "rev-parse", "HEAD").strip()
    # A hook's environment points elsewhere, and results next to the source do not make it dirty.
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    (tmp_path / "figures.png").touch()
    assert provenance._git_record() == {"commit": commit, "dirty": False}
    source.write_text("two", encoding="utf-8")
    assert provenance._git_record() == {"commit": commit, "dirty": True}


@needs_git
def test_an_installed_copy_inside_another_checkout_has_no_commit(tmp_path, monkeypatch):
    git(tmp_path, "init", "-q")
    (tmp_path / "a").touch()
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "theirs")
    copy = tmp_path / ".venv" / "aoqlab" / "lab" / "shared" / "provenance.py"
    copy.parent.mkdir(parents=True)
    copy.touch()
    monkeypatch.setattr(provenance, "__file__", str(copy))
    assert provenance._git_record() == {"commit": None, "dirty": None}


def test_without_git_there_is_no_commit(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert provenance._git_record() == {"commit": None, "dirty": None}
