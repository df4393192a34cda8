"""What the training commands print: help, the end of a run, the table of runs."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Mapping, Sequence

import pandas as pd

from .. import methods
from ..shared.tables import as_text
from ..training import Result

UNBROKEN = "\N{NO-BREAK SPACE}"
WIDEST = 100


def summary(result: Result) -> str:
    """The end of a run in a few lines."""
    numbers, config = result.result, result.config
    name = config.name or config.default_name()
    lines = [f"{name}: test accuracy {numbers['accuracy']:.2%}"]
    more = [f"{numbers['accuracy_before_batch_norm']:.2%} before batch norm was measured anew"]
    if not config.full_precision:
        more.append(f"full-precision start {numbers['accuracy_start']:.2%}")
    lines.append(f"  {', '.join(more)}")
    if "tracker" in numbers:
        t = numbers["tracker"]
        lines += [
            f"  {1000 * t['crossings_per_step']:.2f} crossings per weight in 1000 steps, "
            f"{t['oscillating_share']:.2%} oscillating at the end",
            f"  {t['hamming_share']:.1%} of the codes changed, explored volume {t['explored_volume']:.3f}",
        ]
    lines.append(f"  {numbers['steps']} steps in {numbers['seconds']:.3g} s")
    if result.folder is not None:
        lines.append(f"  everything is in {result.folder}")
    return "\n".join(lines)


def runs_text(table: pd.DataFrame) -> str:
    """Return what :func:`aoqlab.lab.training.stored.overview` gives as a table of text."""
    shown = table[["run", "method", "bits", "seed"]].assign(
        epochs=table["epochs_done"].map(str) + "/" + table["epochs"].map(str),
        accuracy=table["accuracy"],
        finished=table["finished"].map({True: "yes", False: "no"}),
    )
    return as_text(shown, formats={"accuracy": "{:.2%}", "bits": "{:.0f}"})


def help_text() -> str:
    """What training is, the three leading words, and the methods with their options."""
    width = min(shutil.get_terminal_size().columns, WIDEST)

    def entries(texts: Mapping[str, Sequence[str]]) -> list[str]:
        indent = max(map(len, texts)) + 4
        lines = []
        for name, parts in texts.items():
            wrapped = [line for part in parts for line in textwrap.wrap(part, max(20, width - indent))]
            wrapped = [line.replace(UNBROKEN, " ") for line in wrapped]
            lines += [f"  {name:<{indent - 2}}{wrapped[0]}", *(" " * indent + line for line in wrapped[1:])]
        return lines

    words = {
        "ARCH": ["a CIFAR ResNet (resnet20, 32, 44, 56, 110), digits_cnn, or any classifier of timm"],
        "N_BITS": ["bits of the weights, 2 to 8"],
        "QUANTIZE_DOWNSAMPLING": ["1 or 0: whether the 1x1 convolutions on ResNets' shortcuts are quantized too"],
    }
    listed = {name: [methods.summary_of(name), *_options_of(name)] for name in methods.names()}
    return "\n".join(
        [
            "Quantization-aware training, e.g. `aoqlab resnet20 2 1 --method lsq --seed 1`.",
            "",
            "the three words:",
            *entries(words),
            "",
            "methods, and in brackets what --method-options can change:",
            *entries(listed),
            "",
            "Where a default is None, the text of the option or the data's recipe decides.",
        ]
    )


def _options_of(method: str) -> list[str]:
    options = methods.options_of(method)
    shown = {True: "true", False: "false", None: "none"}
    texts = [f"{name}{UNBROKEN}{shown[v] if isinstance(v, bool | None) else v}" for name, v in options.items()]
    return [f"[{', '.join(texts)}]"] if texts else []
