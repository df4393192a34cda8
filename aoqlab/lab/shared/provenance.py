"""Where a result comes from: versions, machine, commit, time."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = ("aoqlab", "torch", "matplotlib", "seaborn", "numpy", "pandas", "scipy")


def provenance() -> dict[str, Any]:
    """Time (UTC), package versions, Python, platform, processor and cores, git commit; ready for JSON."""
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {package: _version(package) for package in _PACKAGES},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "git": _git_record(),
    }


def processor() -> str:
    """Return the processor's name, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        # The package itself may run from a folder without being installed.
        return getattr(sys.modules.get(package), "__version__", None)


def _git_record() -> dict[str, Any]:
    """Commit of the checkout that the package runs from, and whether its source differs from it.

    Both are None for an installed copy: a repository that merely encloses its folder is not the package's
    own.
    """
    here = Path(__file__).resolve()
    package = here.parents[2]
    tracked = _git(package, "ls-files", "--error-unmatch", str(here.relative_to(package)))
    commit = _git(package, "rev-parse", "HEAD") if tracked is not None else None
    changes = _git(package, "status", "--porcelain", "--", ".") if commit is not None else None
    return {"commit": commit, "dirty": None if changes is None else bool(changes)}


def _git(folder: Path, *arguments: str) -> str | None:
    # Inside a git hook these variables point to another repository.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
