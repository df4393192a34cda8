"""The commands and the parser of their options. Nothing heavy is imported before a command is chosen."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ... import __version__
from . import checkout, reproduce
from .errors import UsageError, guarded
from .options import Parser, parse

TRAINING = "ARCH N_BITS QUANTIZE_DOWNSAMPLING [options]"
HELP = (["-h"], ["--help"])
EPILOG = f"""\
without a command:
  Measures on a few seeds what the paper claims, on toy problems and a small
  network, writes figures/, and shows it next to the stored verdicts.

training:
  aoqlab {TRAINING}
  The paper's own command, such as `aoqlab resnet20 2 1 --method lsq`; methods and
  options: `aoqlab train --help`.

In a checkout, `bash run.sh` does the same as `aoqlab`, and builds the
environment on first use.
"""


@dataclass(frozen=True)
class Command:
    """A command: what it does, its options, and which arguments it hands on to another program."""

    help: str
    run: Callable[[Any], int | None]
    """From the parsed options, or from the words of a command that hands them on, to the exit status."""
    add_options: Callable[[argparse.ArgumentParser], object] = lambda parser: None
    hands_on: str | None = None


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; ``argv`` is what follows the name of the program."""
    return guarded(lambda: _run(list(sys.argv[1:] if argv is None else argv)))


def _run(words: list[str]) -> int | None:
    if not words:
        # Said before the imports, which take longer than everything else until the first progress bar.
        print("aoqlab: what the paper claims, measured now on a few seeds in about a minute", flush=True)
        return _call("claims.first_look", "main")
    command, options = read(words)
    return command.run(options)


def read(words: Sequence[str]) -> tuple[Command, Any]:
    """Return the command that ``words`` name and what its ``run`` takes; raise ``UsageError`` if there is none."""
    if words[0] not in COMMANDS and not words[0].startswith("-"):
        if len(words) < 2 or not (words[1].isdecimal() or words[1:2] in HELP):
            raise UsageError(_unknown(words[0]))
        words = ["train", *words]  # the paper's training command
    first, rest = words[0], list(words[1:])
    if first.startswith("-") and first not in ("-h", "--help", "--version"):
        raise UsageError(f"unknown option {first!r} before a command; `aoqlab --help` lists commands")
    if first in COMMANDS and COMMANDS[first].hands_on and rest[:1] not in HELP:
        return COMMANDS[first], rest
    parser, subparsers = _parser(first)
    options = parse(parser, words, subparsers.get(first, parser))
    return COMMANDS[options.command], options


def _parser(chosen: str) -> tuple[Parser, dict[str, Parser]]:
    """Return the parser and that of each command; only the chosen one has its options."""
    parser = Parser(
        prog="aoqlab",
        usage=f"aoqlab [-h] [--version] [command ...]\n       aoqlab {TRAINING}",
        description="A laboratory for quantization whose weights oscillate while they are trained.",
        epilog=EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"aoqlab {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="command", title="commands")
    for name, command in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=command.help, description=command.help)
        subparser.prog = f"aoqlab {name}"  # argparse would build it from the two-line usage above
        if command.hands_on:
            subparser.usage = f"aoqlab {name} [{command.hands_on}]"
        if name == chosen:
            command.add_options(subparser)
    return parser, subparsers.choices


def _unknown(word: str) -> str:
    similar = difflib.get_close_matches(word, COMMANDS, n=1)
    hint = f", did you mean '{similar[0]}'?" if similar else f"; training is {TRAINING}. `aoqlab --help` lists commands"
    return f"unknown command '{word}'{hint}"


def _call(module: str, function: str, *arguments: object, **named: object) -> int | None:
    """Call a function of a module of the laboratory, which is imported only now."""
    status = getattr(import_module(f"aoqlab.lab.{module}"), function)(*arguments, **named)
    return status if isinstance(status, int) else None


COMMANDS = {
    "reproduce": Command(
        "test every claim of the paper: runs, verdicts, data/results/report.html",
        reproduce.reproduce,
        reproduce.add_options,
    ),
    "toy": Command(
        "measure on the toy problems alone; with --full on the regression of the paper's size",
        lambda options: _call("claims.first_look", "toy", full=options.full),
        lambda parser: parser.add_argument("--full", action="store_true", help="the paper's size, which takes long"),
    ),
    "test": Command(
        "run all checks: lint, format, types, clean notebooks, tests",
        checkout.test,
        hands_on="arguments of pytest ...",
    ),
    "lab": Command("open JupyterLab on notebooks/", checkout.lab, hands_on="arguments of Jupyter ..."),
    "train": Command(
        "train a network on images; the word `train` may be left out",
        lambda options: _call("cli.training", "train", options),
        lambda parser: _call("cli.training", "add_options", parser),
    ),
    "resume": Command(
        "continue an interrupted training run",
        lambda options: _call("cli.training", "resume", options.name),
        lambda parser: parser.add_argument("name", metavar="NAME", help="the run; `aoqlab runs` lists them"),
    ),
    "runs": Command(
        "list the training runs in data/runs and their progress",
        lambda options: _call("cli.training", "show_runs"),
    ),
    "pack": Command(
        "make samples of finished runs in data/recorded, small enough for git",
        lambda options: _call("cli.training", "pack", options.names),
        lambda parser: parser.add_argument("names", metavar="NAME", nargs="+", help="a finished run in data/runs"),
    ),
    "digits": Command(
        "train the small network on scikit-learn's digits and write data/digits_cnn.safetensors",
        lambda options: _call("training.digits_weights", "write_weights"),
    ),
    "pictures": Command(
        "take the documentation's pictures of the explorers in Chromium: figures/explorers-*",
        lambda options: _call("explorers.pictures", "pictures", folder=options.folder),
        lambda parser: parser.add_argument("--folder", help="where to write them instead of figures/"),
    ),
    "docs": Command(
        "write the parts of the documentation that are made from stored results and code",
        lambda options: _call("cli.documentation", "write"),
    ),
    "bench": Command(
        "compare speed with other implementations, in one area or in all", checkout.bench, hands_on="AREA [options]"
    ),
}


if __name__ == "__main__":
    sys.exit(main())
