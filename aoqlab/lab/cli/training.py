"""Training from the command line: ``ARCH N_BITS QUANTIZE_DOWNSAMPLING [options]``, resume, and the list of runs."""

from __future__ import annotations

import argparse
import dataclasses
import os
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from .. import methods, training
from ..shared import paths
from ..shared.tables import as_text
from ..training import Result, TrainConfig
from ..training import stored as runs
from ..training.build import absolute
from ..training.config import recipe
from ..training.folder import CONFIG, RunFolder
from .errors import UsageError
from .options import add_fields, field_docs, number, truth, whole

# They do not change the course of training: where a run is kept, and what was needed to begin it.
NOT_COMPARED = {"name", "download"}
OF_A_START = {"start_epochs", "start_lr"}  # which a full-precision run has not
NOTHING_ASKED = (None, "auto")
RECIPES = {"digits": ("digits", 1347, 8), "CIFAR": ("cifar10", 50_000, 32), "large images": ("folder", 10**6, 224)}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the three leading words and an option for every setting of a run."""
    docs = field_docs(TrainConfig)
    parser.usage = "aoqlab ARCH N_BITS QUANTIZE_DOWNSAMPLING [options]"
    parser.description = _description()
    parser.add_argument("arch", metavar="ARCH", help=docs["arch"])
    parser.add_argument("bits", metavar="N_BITS", type=whole, help=docs["bits"])
    parser.add_argument(
        "quantize_downsampling",
        metavar="QUANTIZE_DOWNSAMPLING",
        type=truth,
        help=f"1 or 0: {docs['quantize_downsampling']}",
    )
    found = {name: recipe(*data) for name, data in RECIPES.items()}
    notes = {
        setting: ", ".join(f"{name}: {own[setting]:g}" for name, own in found.items()) for setting in found["digits"]
    }
    add_fields(parser, TrainConfig, skip=("arch", "bits", "quantize_downsampling", "method_options"), notes=notes)
    parser.add_argument(
        "--method-options",
        nargs="*",
        default=(),
        metavar="NAME VALUE",
        help="options of the method, such as `shrink_min 0.5 dampening 0`; the table above has all",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="continue the run of this name, given the same command line; begin it if there is none",
    )


def train(options: argparse.Namespace) -> None:
    """Train by the options of :func:`add_options`."""
    config = settings(options)
    name = config.name or config.default_name()
    if not options.resume:
        return _show(training.train(config))
    try:
        stored = RunFolder.named(name).read(CONFIG)
    except FileNotFoundError:  # there is nothing to continue
        return _show(training.train(dataclasses.replace(config, name=name)))
    differ = differences(absolute(config), (stored or {}).get("settings", {}))
    if differ:
        raise UsageError(f"the run {name} was begun with other settings: {'; '.join(differ)}; choose another --name")
    return _show(training.resume(name))


def resume(name: str) -> None:
    """Continue the run ``name``."""
    _show(training.resume(name))


def show_runs() -> None:
    """Print a table of the runs under ``data/runs``."""
    with warnings.catch_warnings(record=True) as unreadable:
        warnings.simplefilter("always")
        table = runs.overview()
    print(runs_text(table) if len(table) else f"There are no runs in {paths.data_dir() / 'runs'} yet.")
    for warning in unreadable:
        print(warning.message)


def pack(names: Sequence[str]) -> None:
    """Make samples of finished runs in ``data/recorded/``."""
    for folder in runs.pack(names):
        size = sum(file.stat().st_size for file in folder.iterdir())
        print(f"packed: {folder} ({size / 1000:.0f} kB)")


def settings(options: argparse.Namespace) -> TrainConfig:
    """Return the settings that the options describe; raise ``ValueError`` for those that make no sense."""
    chosen = {f.name: getattr(options, f.name) for f in dataclasses.fields(TrainConfig)}
    chosen["skip"] = tuple(options.skip)
    chosen["method_options"] = method_options(options.method, options.method_options)
    methods.get(options.method, **chosen["method_options"])  # refuses other options and values out of range
    return TrainConfig(**chosen)


def method_options(method: str, words: Sequence[str]) -> dict[str, Any]:
    """Return options of a method from names and values in turn, each of the type of its default."""
    if len(words) % 2:
        raise UsageError(f"--method-options takes names and values in turn, got {' '.join(words)}")
    defaults = methods.options_of(method)
    found = {}
    for option, text in zip(words[::2], words[1::2], strict=True):
        default = defaults.get(option, text)
        kinds: dict[type, Callable[[str], Any]] = {str: str, bool: truth, type(None): whole}
        try:
            found[option] = kinds.get(type(default), number)(text)
        except argparse.ArgumentTypeError as error:
            raise UsageError(f"{option} {error}") from error
    return found


def differences(config: TrainConfig, stored: Mapping[str, Any]) -> list[str]:
    """Name the settings that were asked for and differ from the stored run; an open one asks for nothing."""
    free = NOT_COMPARED | OF_A_START if config.full_precision else NOT_COMPARED
    return [
        f"{key} is {stored.get(key)}, not {value}"
        for key, value in config.to_dict().items()
        if key not in free and value not in NOTHING_ASKED and value != stored.get(key)
    ]


def runs_text(table: pd.DataFrame) -> str:
    """Return what :func:`aoqlab.lab.training.stored.overview` gives as a table of text."""
    shown = table[["run", "method", "bits", "seed"]].assign(
        epochs=table["epochs_done"].map(str) + "/" + table["epochs"].map(str),
        accuracy=table["accuracy"],
        finished=table["finished"].map({True: "yes", False: "no"}),
    )
    return as_text(shown, formats={"accuracy": "{:.2%}", "bits": "{:.0f}"})


def _show(result: Result) -> None:
    """Print the end of a run in a few lines, once where several processes train."""
    if int(os.environ.get("RANK", "0")):
        return
    numbers, config = result.result, result.config
    print(f"{config.name or config.default_name()}: test accuracy {numbers['accuracy']:.2%}")
    more = [f"{numbers['accuracy_before_batch_norm']:.2%} before batch norm was re-estimated"]
    if not config.full_precision:
        more.append(f"full-precision start {numbers['accuracy_start']:.2%}")
    print(f"  {', '.join(more)}")
    if tracked := numbers.get("tracker"):
        print(
            f"  {1000 * tracked['crossings_per_step']:.2f} crossings per weight in 1000 steps, "
            f"{tracked['oscillating_share']:.2%} oscillating at the end\n"
            f"  {tracked['hamming_share']:.1%} of the codes changed, explored volume {tracked['explored_volume']:.3f}"
        )
    print(f"  {numbers['steps']} steps in {numbers['seconds']:.3g} s")
    if result.folder is not None:
        print(f"  everything is in {result.folder}")


def _description() -> str:
    """Say what training is, and list the methods with their options."""
    shown = {True: "true", False: "false", None: "none"}
    options = [
        ", ".join(
            f"{name}={shown[value] if isinstance(value, bool | None) else value}"
            for name, value in methods.options_of(method).items()
        )
        for method in methods.names()
    ]
    table = pd.DataFrame({"method": methods.names(), "what it does": map(methods.summary_of, methods.names())})
    table["--method-options"] = options
    width = min(shutil.get_terminal_size().columns, 100) - 2
    return (
        "Quantization-aware training, e.g. `aoqlab resnet20 2 1 --method lsq --seed 1`.\n\n"
        f"{as_text(table, width=width)}"
    )
