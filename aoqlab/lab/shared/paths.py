"""Where results, figures and notebooks are: one project folder holds them all."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = "AOQLAB_ROOT"
"""The environment variable that says where the project is."""


def project_root() -> Path:
    """Return the folder that holds ``data/``, ``figures/`` and ``notebooks/``.

    In this order: the environment variable ``AOQLAB_ROOT`` (run.sh sets it); the nearest checkout of aoqlab
    at or above the working directory; the checkout this package was imported from; the working directory.
    """
    if root := os.environ.get(ROOT):
        return Path(root).expanduser().resolve()
    here = Path.cwd()
    checkout = Path(__file__).resolve().parents[3]
    for folder in (here, *here.parents, checkout):
        if _is_checkout(folder):
            return folder
    return here


def data_dir() -> Path:
    """Return ``data/``, made if it is missing."""
    return _made(project_root() / "data")


def results_dir() -> Path:
    """``data/results/``, where the tables go; made if it is missing."""
    return _made(project_root() / "data" / "results")


def figures_dir() -> Path:
    """``figures/``, made if it is missing."""
    return _made(project_root() / "figures")


def notebooks_dir() -> Path:
    """``notebooks/``. Not made: notebooks come with a checkout, and an empty folder would only hide that."""
    return project_root() / "notebooks"


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _is_checkout(folder: Path) -> bool:
    import tomllib  # here, because run.sh sets AOQLAB_ROOT and never gets this far

    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return False
    return isinstance(project, dict) and project.get("name") == "aoqlab"
