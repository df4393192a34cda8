"""Where results, figures and notebooks are: one project folder holds them all."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = "AOQLAB_ROOT"
"""The environment variable that says where the project is."""
SELF = Path("aoqlab", "lab", "shared", "paths.py")
"""This file in a checkout, which is known by it and by its pyproject.toml."""


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
        if (folder / "pyproject.toml").is_file() and (folder / SELF).is_file():
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
