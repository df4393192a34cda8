"""The command ``aoqlab``, which run.sh calls: it reads the arguments and hands over to the module concerned.

Nothing heavy is imported before a command is chosen, so that help comes at once.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ... import __version__
from ..shared import paths
from .claims import add_options

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

USAGE_ERROR = 2  # the exit status argparse itself uses
INTERRUPTED = 130  # as the shell reports a program that Ctrl-C ended

# Each test file whole in one of a few processes, as what is dear to make is made once a file.
IN_PROCESSES = ("--numprocesses=logical", "--maxprocesses=4", "--dist=loadfile")
BROWSER_TESTS = "tests/browser"

TRAINING = "ARCH N_BITS QUANTIZE_DOWNSAMPLING [...]"

EPILOG = f"""\
without a command:
  Runs the toy study on the reduced problem, writes figures/ and data/results/,
  and prints what was found.

training:
  aoqlab {TRAINING}
  The paper's own command, such as `aoqlab resnet20 2 1 --method lsq`; methods and
  options: `aoqlab train --help`.

In a checkout, `bash run.sh` stands for `aoqlab` and makes the environment on
first use.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; `argv` is what follows the name of the program."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words:
        return _call("aoqlab.lab.study", "main")

    first, rest = words[0], words[1:]
    if first in PASS_ON and (first == "train" or rest[:1] not in (["-h"], ["--help"])):
        return PASS_ON[first](rest)  # past argparse, which would read options meant for pytest
    if not first.startswith("-") and first not in COMMANDS:
        training = len(words) > 1 and (words[1].isdecimal() or words[1] in ("-h", "--help"))
        return _train(words) if training else _explain_unknown(words)

    options = _parser().parse_args(words)
    if options.command == "toy":
        return _call("aoqlab.lab.study", "toy", full=options.full)
    if options.command == "reproduce":
        return _call("aoqlab.lab.cli.claims", "reproduce", options=options)
    if options.command == "pictures":
        return _call("aoqlab.lab.explorers.pictures", "pictures", folder=options.folder)
    if options.command == "runs":
        return _call_training("show_runs")
    if options.command == "pack":
        return _call_training("pack", names=options.names)
    return _call("aoqlab.lab.study", "digits")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="aoqlab",
        usage=f"aoqlab [-h] [--version] [command ...]\n       aoqlab {TRAINING}",
        description="A laboratory for quantization whose weights oscillate while they are trained.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"aoqlab {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command", title="commands")
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        command.prog = f"aoqlab {name}"  # argparse would build it from the two-line usage above
        if name == "toy":
            command.add_argument("--full", action="store_true", help="the paper's size, which takes long")
        elif name == "reproduce":
            add_options(command)
        elif name == "pictures":
            command.add_argument("--folder", help="where to write them instead of figures/")
        elif name == "pack":
            command.add_argument("names", metavar="NAME", nargs="+", help="a finished run in data/runs")
        elif name in PASS_ON:
            command.usage = f"aoqlab {name} [{ARGUMENTS[name]}]"
    return parser


def _call(module: str, function: str, **arguments: object) -> int:
    status = getattr(importlib.import_module(module), function)(**arguments)
    return 0 if status is None else int(status)


def _call_training(function: str, **arguments: object) -> int:
    """As :func:`_call`; Ctrl-C is no error: what came of it, if anything, is in its message."""
    try:
        return _call("aoqlab.lab.cli.training", function, **arguments)
    except KeyboardInterrupt as stop:
        print(f"aoqlab: {str(stop) or 'interrupted'}", file=sys.stderr)
        return INTERRUPTED


def _explain_unknown(words: list[str]) -> int:
    """A mistyped command, as opposed to the paper's training command, whose second word is a number of bits."""
    similar = difflib.get_close_matches(words[0], COMMANDS, n=1)
    hint = (
        f", did you mean '{similar[0]}'?"
        if similar
        else f"; training is {TRAINING}. `aoqlab --help` lists all commands"
    )
    print(f"aoqlab: unknown command '{words[0]}'{hint}", file=sys.stderr)
    return USAGE_ERROR


def _train(words: Sequence[str]) -> int:
    return _call_training("train", words=words)


def _resume(words: Sequence[str]) -> int:
    if len(words) != 1:
        print("aoqlab: resume needs the name of one run; `aoqlab runs` lists them", file=sys.stderr)
        return USAGE_ERROR
    return _call_training("resume", name=words[0])


def _test(pytest_arguments: Sequence[str]) -> int:
    """Run every check even when an early one fails, so that one run tells everything."""
    root = paths.project_root()
    if not (root / "tests").is_dir():
        return _needs_checkout("test", root)

    notebooks = sorted(str(path.relative_to(root)) for path in paths.notebooks_dir().glob("*.ipynb"))
    keys = "metadata.language_info metadata.widgets"
    steps: dict[str, list[str]] = {
        "ruff check": ["ruff", "check"],
        "ruff format": ["ruff", "format", "--check"],
        "mypy": ["mypy"],
        "nbstripout": ["nbstripout", "--verify", "--extra-keys", keys, *notebooks],
    }
    if not notebooks:
        del steps["nbstripout"]  # without a file it would wait for one on standard input
    if pytest_arguments:
        steps["pytest"] = ["pytest", *pytest_arguments]
    else:  # two calls: with a browser's event loop in its process no other test could start one
        steps["pytest"] = ["pytest", *IN_PROCESSES, f"--ignore={BROWSER_TESTS}"]
        if (root / BROWSER_TESTS).is_dir():
            steps["pytest in a browser"] = ["pytest", *IN_PROCESSES, BROWSER_TESTS]

    failed = []
    for name, command in steps.items():
        print(f"== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", *command], cwd=root, check=False).returncode != 0:
            failed.append(name)
    print(f"== failed: {', '.join(failed)}" if failed else f"== passed: {', '.join(steps)}", flush=True)
    return 1 if failed else 0


def _lab(jupyter_arguments: Sequence[str]) -> int:
    """Open JupyterLab for this machine alone, with its token, on the notebook to begin with."""
    folder = paths.notebooks_dir()
    if not folder.is_dir():
        return _needs_checkout("lab", paths.project_root())
    command = [sys.executable, "-m", "jupyterlab"]
    command += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={folder}"]
    for name in ("00_overview.ipynb", "01_quantizer.ipynb"):
        if (folder / name).exists():
            command.append(f"--LabApp.default_url=/lab/tree/{name}")
            break
    os.chdir(folder)
    # In place of this process, so that Ctrl-C reaches Jupyter alone and its question can be answered.
    os.execv(sys.executable, [*command, *jupyter_arguments])


def _bench(arguments: Sequence[str]) -> int:
    """Run one benchmark as the script it is, or all of them."""
    import runpy

    folder = paths.project_root() / "benchmarks"
    scripts = {path.stem: path for path in sorted(folder.glob("[!_]*.py"))}
    if not scripts:
        return _needs_checkout("bench", paths.project_root())
    if arguments and arguments[0] not in scripts:
        print(f"aoqlab: no benchmark '{arguments[0]}'; there are: {', '.join(scripts)}", file=sys.stderr)
        return USAGE_ERROR
    for name in arguments[:1] or scripts:
        sys.argv = [str(scripts[name]), *arguments[1:]]
        runpy.run_path(str(scripts[name]), run_name="__main__")
    return 0


def _needs_checkout(command: str, root: Path) -> int:
    print(f"aoqlab: '{command}' needs a checkout of aoqlab, and {root} is none.", file=sys.stderr)
    return USAGE_ERROR


COMMANDS = {
    "reproduce": "test every claim of the paper: runs, verdicts, data/results/report.html",
    "toy": "run the toy study; with --full on the problem of the paper's size",
    "test": "run all checks: lint, format, types, clean notebooks, tests (arguments go to pytest)",
    "lab": "open JupyterLab on notebooks/ (arguments go to Jupyter)",
    "train": "train a network on images, as without this word; `train --help` lists methods and options",
    "resume": "go on with an interrupted training run, by its name",
    "runs": "list the training runs under data/runs and how far they are",
    "pack": "make samples of finished runs, small enough for git, in data/recorded: pack NAME ...",
    "digits": "train the small network on scikit-learn's digits and write data/digits_cnn.safetensors",
    "pictures": "take README's pictures of the explorers in Chromium and write figures/explorers-*",
    "bench": "compare speed with the rivals, in one area or in all",
}
ARGUMENTS = {
    "train": "ARCH N_BITS QUANTIZE_DOWNSAMPLING [option ...]",
    "resume": "NAME",
    "test": "pytest argument ...",
    "lab": "Jupyter argument ...",
    "bench": "name [argument ...]",
}
PASS_ON: dict[str, Callable[[Sequence[str]], int]] = {
    "train": _train,
    "resume": _resume,
    "test": _test,
    "lab": _lab,
    "bench": _bench,
}


if __name__ == "__main__":
    sys.exit(main())
