"""Checks of the explorers' JavaScript: format, lint and types, by tools that npm installs into ``node_modules/``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from ..shared import paths

INSTALL = ("ci", "--no-audit", "--no-fund", "--ignore-scripts")
CHECKS = (("biome", "check", "--error-on-warnings"), ("tsc", "--project", "."))


def step(root: Path) -> dict[str, list[str]]:
    """Return the step for ``test``. Without npm it is left out, which is said, unless CI asks for every check."""
    if not (root / "package.json").is_file():
        return {}
    if shutil.which("npm") is None and os.environ.get("CI") != "true":
        print("== javascript: left out, because npm was not found (on Debian and Ubuntu: apt install npm)", flush=True)
        return {}
    return {"javascript": [__name__]}


def main() -> int:
    """Run the checks, after installing their tools where package-lock.json has changed; return the exit status."""
    root = paths.project_root()
    npm, tools = shutil.which("npm"), root / "node_modules"
    if npm is None:
        print("the JavaScript checks need npm (on Debian and Ubuntu: apt install npm)", file=sys.stderr)
        return 1
    lock, stamp = (root / "package-lock.json").read_text(encoding="utf-8"), tools / "aoqlab-stamp"
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != lock:
        if subprocess.run([npm, *INSTALL], cwd=root, check=False).returncode != 0:
            return 1
        stamp.write_text(lock, encoding="utf-8")
    commands = [[str(tools / ".bin" / tool), *words] for tool, *words in CHECKS]
    return max([subprocess.run(command, cwd=root, check=False).returncode for command in commands])


if __name__ == "__main__":
    sys.exit(main())
