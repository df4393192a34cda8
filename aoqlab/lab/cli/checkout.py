"""Commands that need a checkout of aoqlab: tests, JupyterLab, benchmarks."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ..shared import paths
from .errors import UsageError

# A test file stays in one of a few processes, because it shares what is expensive to make.
# Files run in the order of their folders: sorted by their number of tests, the notebooks (few and slow) would come last
# and the other processes would wait for them.
IN_PROCESSES = ("--numprocesses=logical", "--maxprocesses=4", "--dist=loadfile", "--no-loadscope-reorder")
BROWSER_TESTS = "tests/browser"
# What a user's own configuration of Jupyter could open: the command line has the last word.
CLOSED = {
    "ip": "127.0.0.1",
    "identity_provider_class": "aoqlab.lab.cli.identity.RandomToken",
    "allow_origin": "",
    "allow_origin_pat": "",
    "allow_credentials": "False",
    "allow_remote_access": "False",
    "disable_check_xsrf": "False",
    "tornado_settings": "{}",
}


# The kernels' tests; that of memory kept by the C library has no meaning where the sanitizers replace its functions.
SANITIZED = ("tests/core/test_kernels.py", "tests/core/test_tracker.py", "tests/core/quantizers/test_all.py")
SANITIZED_FLAGS = "-fsanitize=address,undefined -fno-sanitize-recover=all -O1 -g -fno-omit-frame-pointer"


def _sanitize(root: Path) -> int:
    """Run the kernels' tests on a build in which GCC's sanitizers check addresses and undefined operations."""
    if shutil.which("g++") is None:
        raise UsageError("test --sanitize needs g++ and its sanitizers (on Debian and Ubuntu: apt install g++)")
    names = [["g++", f"-print-file-name={name}.so"] for name in ("libasan", "libubsan")]
    libraries = [subprocess.check_output(name, text=True).strip() for name in names]
    own = {"CXX": "g++", "AOQLAB_CXXFLAGS": SANITIZED_FLAGS, "LD_PRELOAD": " ".join(libraries)}
    own["ASAN_OPTIONS"] = "detect_leaks=0"  # Python itself frees little at its end
    command = [sys.executable, "-m", "pytest", *SANITIZED, "-k", "not kept_memory and not compiled and not eager"]
    return subprocess.run(command, cwd=root, env=os.environ | own, check=False).returncode


def test(pytest_arguments: Sequence[str]) -> int:
    """Run all checks, even after one has failed, and return the exit status."""
    root = root_with("tests", command="test")
    if list(pytest_arguments) == ["--sanitize"]:
        return _sanitize(root)
    notebooks = sorted(str(path.relative_to(root)) for path in paths.notebooks_dir().glob("*.ipynb"))
    keys = "metadata.language_info metadata.widgets"
    python = [sys.executable, "-m"]
    steps = {
        "ruff check": [*python, "ruff", "check"],
        "ruff format": [*python, "ruff", "format", "--check"],
        "mypy": [*python, "mypy"],
    }
    if notebooks:  # without a file nbstripout would wait for one on standard input
        steps["nbstripout"] = [*python, "nbstripout", "--verify", "--extra-keys", keys, *notebooks]
    if shutil.which("npm") or os.environ.get("CI") == "true":  # where nothing may be left out
        steps["javascript"] = ["npm", "run", "check"]
    else:
        print("== javascript: left out, because npm was not found (on Debian and Ubuntu: apt install npm)", flush=True)
    if pytest_arguments:
        steps["pytest"] = [*python, "pytest", *pytest_arguments]
    else:  # two calls, because no other test could start an event loop in the process that drives a browser
        steps["pytest"] = [*python, "pytest", *IN_PROCESSES, f"--ignore={BROWSER_TESTS}"]
        if (root / BROWSER_TESTS).is_dir():
            steps["pytest in a browser"] = [*python, "pytest", *IN_PROCESSES, BROWSER_TESTS]

    failed = []
    for name, command in steps.items():
        print(f"== {name}", flush=True)
        if subprocess.run(command, cwd=root, check=False).returncode != 0:
            failed.append(name)
    print(f"== failed: {', '.join(failed)}" if failed else f"== passed: {', '.join(steps)}", flush=True)
    return 1 if failed else 0


def lab(jupyter_arguments: Sequence[str]) -> int:
    """Open JupyterLab, reachable from this machine only and with its token, on the first notebook."""
    for word in jupyter_arguments:
        if word.partition("=")[0].lstrip("-").rpartition(".")[2] in {*CLOSED, "token"}:
            raise UsageError(f"`lab` is closed to other machines and pages and takes no {word}; `jupyter lab` does")
    folder = root_with("notebooks", command="lab") / "notebooks"
    command = [sys.executable, "-m", "jupyterlab"]
    command += [*(f"--ServerApp.{name}={value}" for name, value in CLOSED.items()), f"--ServerApp.root_dir={folder}"]
    for name in ("00_overview.ipynb", "01_quantizer.ipynb"):
        if (folder / name).exists():
            command.append(f"--LabApp.default_url=/lab/tree/{name}")
            break
    os.chdir(folder)
    # Jupyter replaces this process, so that Ctrl-C reaches it alone and its question can be answered.
    os.execv(sys.executable, [*command, *jupyter_arguments])


def bench(arguments: Sequence[str]) -> None:
    """Run one benchmark as the script it is, or all of them."""
    folder = root_with("benchmarks", command="bench") / "benchmarks"
    scripts = {path.stem: path for path in sorted(folder.glob("[!_]*.py"))}
    if arguments and arguments[0] not in scripts:
        raise UsageError(f"no benchmark '{arguments[0]}'; there are: {', '.join(scripts)}")
    for name in arguments[:1] or scripts:
        sys.argv = [str(scripts[name]), *arguments[1:]]
        runpy.run_path(str(scripts[name]), run_name="__main__")


def root_with(folder: str, *, command: str) -> Path:
    """Return the project's root; raise ``UsageError`` where it has no such folder."""
    root = paths.project_root()
    if not (root / folder).is_dir():
        raise UsageError(f"'{command}' needs a checkout of aoqlab; {root} has no folder {folder}/")
    return root
