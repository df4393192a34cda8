"""The paper's own command, ``ARCH N_BITS QUANTIZE_DOWNSAMPLING [options]``, and what goes with it."""

from __future__ import annotations

import dataclasses
import difflib
import io
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from .. import methods, training
from ..training import Result, TrainConfig
from ..training.build import absolute
from ..training.checkpoint import CheckpointError
from ..training.engine import DivergedError
from ..training.folder import CONFIG, RunBusyError, RunExistsError, RunFolder
from .texts import help_text, runs_text, summary

FAILED, USAGE_ERROR = 1, 2
PROGRAM = "aoqlab ARCH N_BITS QUANTIZE_DOWNSAMPLING"
WORDS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}

MISTAKES = (FileNotFoundError, NotADirectoryError, RunExistsError)
"""Beside ``ValueError``: the command line asks for what cannot be, and no run was begun."""
FAILURES = (CheckpointError, DivergedError, RunBusyError, OSError)

# No settings of the course: where it is kept, and what was needed to begin it.
NOT_COMPARED = {"name", "download"}
OF_A_START = {"start_epochs", "start_lr"}  # which a full-precision run has not
NOTHING_ASKED = (None, "auto")

# Instead of "(default: )", which says nothing.
_AS_PUBLISHED = tyro.conf.arg(name="method-options", metavar="OPTION VALUE ...", help_behavior_hint="(as published)")


@dataclass(frozen=True)
class CommandLine(TrainConfig):
    """The options behind the three leading words; these are not shown a second time."""

    arch: tyro.conf.Suppress[str] = TrainConfig.arch
    bits: tyro.conf.Suppress[int] = TrainConfig.bits
    quantize_downsampling: tyro.conf.Suppress[bool] = TrainConfig.quantize_downsampling
    method: str = TrainConfig.method
    """How to train; the list is above."""
    method_options: tyro.conf.Suppress[dict[str, float | int | bool | str | None]] = field(default_factory=dict)
    names_and_values: Annotated[tuple[str, ...], _AS_PUBLISHED] = ()
    """Options of the method, such as `shrink_min 0.5 dampening 0`; the list is above."""
    resume: bool = False
    """Go on with the run of this name, by the same command line; begin it if there is none."""


def train(words: Sequence[str]) -> int:
    """Train by the command line ``words``, everything after ``aoqlab`` or ``aoqlab train``; the exit status."""
    if "-h" in words or "--help" in words:
        return show_help()
    return _guarded(lambda: _train(*parse(words)))


def resume(name: str) -> int:
    """Go on with the run ``name``; the exit status."""
    return _guarded(lambda: training.resume(name))


def show_runs() -> int:
    """Print a table of the runs under ``data/runs``; the exit status."""
    from ..shared import paths
    from ..training import stored as runs

    table = runs.overview()
    print(runs_text(table) if len(table) else f"There are no runs in {paths.data_dir() / 'runs'} yet.")
    return 0


def pack(names: Sequence[str]) -> int:
    """Make samples of finished runs in ``data/recorded/``; return the exit status."""
    from ..training import stored

    def told(folders: Sequence[Path]) -> str:
        sizes = {folder: sum(file.stat().st_size for file in folder.iterdir()) for folder in folders}
        return "\n".join(f"packed: {folder} ({size / 1000:.0f} kB)" for folder, size in sizes.items())

    return _guarded(lambda: stored.pack(names), told)


def parse(words: Sequence[str]) -> tuple[TrainConfig, bool]:
    """The settings that ``words`` describe, and whether ``--resume`` is among them.

    Raises ``ValueError``, in one sentence, for words that make no sense.
    """
    if len(words) < 3 or any(word.startswith("-") for word in words[:3]):
        raise ValueError(
            "training needs three words first, ARCH N_BITS QUANTIZE_DOWNSAMPLING, such as `resnet20 2 1`; "
            f"got {' '.join(words[:3]) or 'nothing'}; `aoqlab train --help` lists all options"
        )
    arch, bits, downsampling = words[:3]
    if not bits.isdecimal():
        raise ValueError(f"N_BITS must be a whole number from 2 to 8, got {bits!r}")
    if downsampling.lower() not in WORDS:
        raise ValueError(f"QUANTIZE_DOWNSAMPLING must be 1 or 0 (true or false), got {downsampling!r}")
    line = _options(words[3:])
    settings = {f.name: getattr(line, f.name) for f in dataclasses.fields(TrainConfig)}
    settings |= {"arch": arch, "bits": int(bits), "quantize_downsampling": WORDS[downsampling.lower()]}
    settings["method_options"] = method_options(line.method, line.names_and_values)
    methods.get(line.method, **settings["method_options"])  # refuses other options and values out of range
    return TrainConfig(**settings), line.resume


def method_options(method: str, words: Sequence[str]) -> dict[str, Any]:
    """Options of a method from names and values in turn, each of the type of its default. Raises ``ValueError``."""
    if len(words) % 2:
        raise ValueError(f"--method-options takes names and values in turn, got {' '.join(words)}")
    defaults = methods.options_of(method)
    pairs = zip(words[::2], words[1::2], strict=True)
    return {option: _value(option, text, defaults.get(option, text)) for option, text in pairs}


def _value(option: str, text: str, default: object) -> object:
    if isinstance(default, str):
        return text
    if isinstance(default, bool):
        if text.lower() not in WORDS:
            raise ValueError(f"{option} must be 1 or 0 (true or false), got {text!r}")
        return WORDS[text.lower()]
    try:
        return int(text) if default is None else float(text)
    except ValueError as error:
        kind = "a whole number" if default is None else "a number"
        raise ValueError(f"{option} must be {kind}, got {text!r}") from error


def _options(words: Sequence[str]) -> CommandLine:
    """What tyro makes of the options; its framed complaint as a ``ValueError`` of one sentence."""
    complaint = io.StringIO()
    try:
        with redirect_stderr(complaint):
            line, unknown = tyro.cli(CommandLine, args=words, config=_LOOK, add_help=False, return_unknown_args=True)
    except SystemExit as stop:
        raise ValueError(_sentence(complaint.getvalue())) from stop
    if unknown:
        word = unknown[0].partition("=")[0]
        known = [f"--{f.name.replace('_', '-')}" for f in dataclasses.fields(TrainConfig)[3:]] + ["--resume"]
        near = difflib.get_close_matches(word.replace("_", "-"), known) if word.startswith("-") else []
        hint = f"did you mean {' or '.join(near)}?" if near else "`aoqlab train --help` lists all options"
        raise ValueError(f"unknown {'option' if word.startswith('-') else 'word'} {word!r}; {hint}")
    return line


# No "{None}|INT" for what may be left out, no "--no-download" for what is off anyway.
_LOOK = (tyro.conf.DisallowNone, tyro.conf.FlagCreatePairsOff)


def _sentence(framed: str) -> str:
    """The first part of a framed complaint, without the frame."""
    lines = [line.strip(" │|") for line in framed.splitlines()[1:]]
    rule = [number for number, line in enumerate(lines) if number and set(line) <= set("─-+╰╯")]
    text = " ".join(line for line in lines[: rule[0] if rule else None] if line.strip("─-"))
    text = text.removeprefix("Error parsing ").removeprefix(f"{CommandLine.__name__}: ").rstrip(".")
    return re.sub(r": no type matching (\S+) could be instantiated from \[(.*)\]$", r" must be \1, got \2", text)


def _train(config: TrainConfig, resume: bool) -> Result:
    if not resume:
        return training.train(config)
    name = config.name or config.default_name()
    try:
        stored = RunFolder.named(name).read(CONFIG)
    except FileNotFoundError:  # nothing to go on with: begin
        return training.train(dataclasses.replace(config, name=name))
    differ = differences(absolute(config), (stored or {}).get("settings", {}))
    if differ:
        raise ValueError(f"the run {name} was begun with other settings: {'; '.join(differ)}; choose another --name")
    return training.resume(name)


def differences(config: TrainConfig, stored: Mapping[str, Any]) -> list[str]:
    """Settings that were asked for and are not those of the stored run; what is left open asks for nothing."""
    free = NOT_COMPARED | OF_A_START if config.full_precision else NOT_COMPARED
    return [
        f"{key} is {stored.get(key)}, not {value}"
        for key, value in config.to_dict().items()
        if key not in free and value not in NOTHING_ASKED and value != stored.get(key)
    ]


def _guarded(work: Callable[[], Any], tell: Callable[[Any], str] = lambda result: summary(result)) -> int:
    """Do ``work`` and print what came out; what a user can mend is one sentence on stderr, all else a traceback."""
    try:
        result = work()
    except MISTAKES as error:
        return _explain(error, USAGE_ERROR)
    except FAILURES as error:
        return _explain(error, FAILED)
    except ValueError as error:
        if not _raised_here(error):
            raise
        return _explain(error, USAGE_ERROR)
    from accelerate.state import PartialState

    if PartialState().is_main_process:
        print(tell(result))
    return 0


def _raised_here(error: BaseException) -> bool:
    """Whether this package raised it, and so said what to do; not what it calls."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    module = "" if trace is None else str(trace.tb_frame.f_globals.get("__name__"))
    return module.partition(".")[0] == "aoqlab"


def _explain(error: BaseException, status: int) -> int:
    print(f"aoqlab: {' '.join(str(error).split())}", file=sys.stderr)
    return status


def show_help() -> int:
    """Print the help of training; the exit status."""
    try:
        tyro.cli(CommandLine, prog=PROGRAM, description=help_text(), args=["--help"], config=_LOOK)
    except SystemExit:
        pass
    except BrokenPipeError:  # the reader, such as `head`, has seen enough; Python is not to complain at its end either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
