"""What a user sees of a running training, and how it is interrupted."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm.auto import tqdm

from ...surgery.shares import Shares, shares_text
from ..shared.tables import as_text
from .engine import Trainer


def audit_text(layers: pd.DataFrame, shares: Shares) -> str:
    """Return the audit as text: layer, shape, bits of weights and activations, how or why not; last the shares."""
    how = [
        row.why_skipped or ", ".join(filter(None, (row.weight_method, row.activation_method, row.activation_rule)))
        for row in layers.itertuples()
    ]
    shown = layers[["layer", "shape"]].assign(W=layers["weight_bits"], A=layers["activation_bits"], how=how)
    return as_text(shown, formats={"W": "{:.0f}", "A": "{:.0f}"}) + "\n" + shares_text(shares)


@contextmanager
def progress_bar(trainer: Trainer, quiet: bool) -> Iterator[Any]:
    """Make a bar that the trainer moves forward by steps."""
    # In a log, where the bar cannot be redrawn, a line now and then is enough.
    watched = sys.stderr.isatty() or "ipykernel" in sys.modules
    with tqdm(
        total=trainer.total_steps,
        initial=trainer.step,
        desc=trainer.config.name or trainer.config.default_name(),
        disable=quiet,
        unit="step",
        mininterval=0.1 if watched else 30.0,
    ) as bar:
        trainer.advance = bar.update
        yield bar


def postfix(row: dict[str, Any]) -> str:
    """Return a row of metrics in the few words that fit behind the bar."""
    accuracy = "" if row["test_accuracy"] is None else f", test {row['test_accuracy']:.1%}"
    stage = f", {row['stage']}" if "stage" in row else ""
    return f"epoch {row['epoch']}, loss {row['train_loss']:.3f}{accuracy}{stage}"


def write_events(folder: Path, row: dict[str, Any]) -> None:
    """Write a row of metrics as TensorBoard events."""
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder / "events")) as writer:
        for name, value in row.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                writer.add_scalar(name, value, row["step"])


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Ctrl-C and SIGTERM are noted and answered between two steps; a second Ctrl-C acts at once."""
    heard = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield heard.is_set  # signals reach the main thread alone
        return

    def note(number: int, _: object) -> None:
        heard.set()
        signal.signal(number, before[number])

    before: dict[int, Any] = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, note)
    try:
        yield heard.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
