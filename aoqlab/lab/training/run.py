"""One training run from its settings to its results: data, start, teacher, training, final evaluation, tables."""

from __future__ import annotations

import copy
import dataclasses
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from safetensors.torch import save
from torch import nn
from tqdm.auto import tqdm

from ...arguments import check_count
from ...kernels.native import keep_memory
from ...surgery import bit_shares, quantized_layers
from ...surgery.shares import Shares
from .. import methods
from ..shared.files import DamagedError, read_json, read_set
from ..shared.limits import side_by_side_limit
from ..shared.provenance import provenance
from ..shared.store import read_table, tensors_of
from . import checkpoint as checkpoints
from .build import absolute, check, create, load_data, new_folder, quantized, start_on, teacher_of
from .checkpoint import CheckpointError, CheckpointWarning
from .config import TrainConfig
from .devices import Place, channels_last, place_for
from .engine import Stopped, Trainer
from .evaluate import reestimate_batch_norm
from .folder import CONFIG, MODEL, RESULT, RunExistsError, RunFolder, json_bytes
from .reporting import audit_text, interruptible, postfix, progress_bar, write_events

if TYPE_CHECKING:
    from ..datasets import Dataset

BATCHES_FOR_NORM = 50
TABLES_EVERY = 5.0
"""Seconds between two writings of a running run's tables."""

_TABLES = ("history", "intervals", "layers", "levels", "metrics", "timing", "transitions")

OnEpoch = Callable[[dict[str, Any], Trainer], object]


@dataclass
class Result:
    """What a run leaves behind: numbers, tables, and the trained network in eval mode."""

    config: TrainConfig
    result: dict[str, Any]
    """Accuracies and losses at the end, before and after batch norm was re-estimated, and what the tracker counted."""
    tables: dict[str, pd.DataFrame]
    """``metrics`` per epoch, ``timing``, ``layers`` (the audit), ``history``, ``levels``, ``intervals``,
    ``transitions``."""
    model: nn.Module
    folder: Path | None = None
    start: nn.Module | None = field(default=None, repr=False)
    """The full-precision network that the run began from; ``None`` where a finished run was read."""


def train(
    config: TrainConfig,
    *,
    start: nn.Module | None = None,
    keep: bool = True,
    quiet: bool = False,
    on_epoch: OnEpoch | None = None,
) -> Result:
    """Train by ``config``; with ``keep`` into a new folder ``data/runs/<name>/``, otherwise in memory alone.

    ``start`` is a full-precision network to begin from instead of the one that ``config`` describes (only with
    ``keep=False``, since a folder could not say how to make it). ``on_epoch(row, trainer)`` is called after each epoch.
    Ctrl-C and SIGTERM end the run with a checkpoint and raise ``Stopped``. Raises ``RunExistsError`` if the name is
    taken.
    """
    if keep and start is not None:
        raise ValueError("a run with a start of its own is not kept: call train(..., keep=False)")
    if config.threads is not None:
        side_by_side_limit("threads", config.threads)
    with _threads(config.threads):
        keep_memory()
        place = place_for(config)
        data = load_data(config, place)
        config = absolute(config).resolved(Path(config.data).name, len(data.train), data.image_size)
        check(config, data, start, place)
        folder = new_folder(config, data, place) if keep else None
        if folder is not None:
            config = dataclasses.replace(config, name=folder.path.name)
        try:
            return _Job(config, data, place, folder, start, quiet, on_epoch).run()
        finally:
            if folder is not None:
                folder.release()


def resume(name: str, *, quiet: bool = False, on_epoch: OnEpoch | None = None, wait: bool = False) -> Result:
    """Resume the run in ``data/runs/<name>/`` from its newest usable checkpoint; read a finished one.

    Raises ``FileNotFoundError`` (no such run), ``RunBusyError`` (another process trains it) and ``CheckpointError``.
    """
    folder = RunFolder.named(name)
    record = folder.read(CONFIG) or {}
    if not {"settings", "threads"} <= record.keys():
        raise CheckpointError(f"{folder.path / CONFIG} is no configuration of a run")
    config = TrainConfig.from_dict(record["settings"])
    with _threads(check_count("threads", record["threads"], 1, 1024)):
        keep_memory()
        place = place_for(config)
        if place.is_main:
            folder.hold(wait)
        place.wait()
        try:
            data = load_data(config, place)
            if record.get("images", data.fingerprint) != data.fingerprint:
                raise CheckpointError(
                    f"the images in {config.data} are not those that {folder.path.name} was begun with; put them back, "
                    "or begin a new run"
                )
            return _Job(config, data, place, folder, None, quiet, on_epoch).run()
        finally:
            folder.release()


def start_of(config: TrainConfig) -> TrainConfig:
    """Return the full-precision run that ``config`` starts from; runs of the same settings share it by its name."""
    place = place_for(config)
    data = load_data(config, place)
    return start_on(absolute(config).resolved(Path(config.data).name, len(data.train), data.image_size), data)


@dataclass
class _Job:
    """The parts of one run, brought together."""

    config: TrainConfig
    data: Dataset
    place: Place
    folder: RunFolder | None
    start: nn.Module | None
    quiet: bool
    on_epoch: OnEpoch | None
    layers: pd.DataFrame = field(init=False)
    shares: Shares = field(init=False)
    tables_due: float = 0.0

    def __post_init__(self) -> None:
        self.method = methods.get(self.config.method, **self.config.method_options)
        self.quiet = self.quiet or not self.place.is_main

    def run(self) -> Result:
        finished = self._finished()
        if finished is not None:
            return finished
        start = self.start or self._full_precision(self.config)
        start = start.to(self.place.device).eval()
        teacher = self._teacher(start)
        with torch.random.fork_rng():
            model = quantized(start, self.config, self.method, self.data)
            self.layers, self.shares = quantized_layers(model), bit_shares(model, self.data.train.sample(1, 0))
            if self.folder is not None and self.place.is_main:
                self.folder.write({"layers": self.layers})
            if not self.quiet:
                nothing = "full precision: no layer is quantized"
                tqdm.write(nothing if self.config.full_precision else audit_text(self.layers, self.shares))
            trainer = Trainer(self.config, self.method, model, teacher, self.data, self.place)
            if self.folder is not None:
                saved = checkpoints.load_newest(self.folder.path, self.config.digest())
                if saved is not None:
                    trainer.restore(saved)
            with progress_bar(trainer, self.quiet) as bar, interruptible() as interrupted:
                try:
                    for row in trainer.epochs(interrupted):
                        bar.set_postfix_str(postfix(row), refresh=False)
                        self._keep(trainer)
                        if self.config.tensorboard and self.folder is not None and self.place.is_main:
                            write_events(self.folder.path, row)
                        if self.on_epoch is not None:
                            self.on_epoch(row, trainer)
                except Stopped:
                    self._keep(trainer)
                    rest = "nothing was kept"
                    if self.folder is not None:
                        rest = f"resume with: bash run.sh resume {self.folder.path.name}"
                    raise Stopped(f"stopped at step {trainer.step} of {trainer.total_steps}; {rest}") from None
            return self._finish(trainer, start)

    def _full_precision(self, config: TrainConfig) -> nn.Module:
        """Return the network before quantization: from a file, from timm, or trained by this engine and kept."""
        if config.full_precision or config.checkpoint or config.pretrained:
            return create(config, self.data)
        start = start_on(config, self.data)
        if self.folder is None:
            return train(start, keep=False, quiet=self.quiet).model
        if not self.quiet:
            tqdm.write(f"full-precision start: data/runs/{start.name}")
        assert start.name
        try:
            with suppress(RunExistsError):
                return train(start, quiet=self.quiet).model
            return resume(start.name, quiet=self.quiet, wait=True).model
        except Stopped:
            raise Stopped(
                f"stopped in the full-precision start; resume with: bash run.sh resume {self.folder.path.name}"
            ) from None

    def _teacher(self, start: nn.Module) -> nn.Module | None:
        name = self.config.teacher
        if name == "none" or self.config.full_precision:
            return None
        if name == "start":
            return copy.deepcopy(start).requires_grad_(False)
        return self._full_precision(teacher_of(self.config)).requires_grad_(False)

    def _keep(self, trainer: Trainer) -> None:
        """Write a checkpoint and the tables so far."""
        if self.folder is None or not self.place.is_main:
            return
        checkpoints.save(self.folder.path, trainer.capture())
        if time.monotonic() >= self.tables_due:  # all of it is in the checkpoint, and the end writes them in any case
            self.tables_due = time.monotonic() + TABLES_EVERY
            self.folder.write(tables_of(trainer))

    def _finish(self, trainer: Trainer, start: nn.Module) -> Result:
        """Measure batch norm again, evaluate before and after, write the results."""
        config, model = self.config, trainer.model
        loss_before, before = trainer.evaluate()
        # Augmented training batches of an epoch that training did not see; the same in every process.
        assert config.epochs and config.batch_size
        unseen = self.data.train.batches(config.epochs, seed=config.seed, batch_size=config.batch_size)
        norms = reestimate_batch_norm(model, islice(unseen, BATCHES_FOR_NORM), context=trainer.context)
        loss, after = trainer.evaluate() if norms else (loss_before, before)
        # A full-precision run begins from random weights, which say nothing.
        start_loss, start_accuracy = (None, None) if config.full_precision else trainer.evaluate(start)
        result: dict[str, Any] = {
            "accuracy": after,
            "accuracy_before_batch_norm": before,
            "test_loss": loss,
            "test_loss_before_batch_norm": loss_before,
            "accuracy_start": start_accuracy,
            "test_loss_start": start_loss,
            "train_loss": trainer.metrics[-1]["train_loss"],
            "steps": trainer.step,
            "seconds": sum(row["seconds"] for row in trainer.timing),
            "shares": {what: {str(bits): share for bits, share in of.items()} for what, of in self.shares.items()},
        }
        tables = {**tables_of(trainer), "layers": self.layers}
        if trainer.tracker is not None:
            result["tracker"] = trainer.tracker.summary()
        model.eval()
        path = None
        if self.folder is not None:
            path = self.folder.path
            if self.place.is_main:
                tensors = {k: v.detach().cpu().contiguous().clone() for k, v in model.state_dict().items()}
                # The tables too: a kill after the last checkpoint leaves them an epoch short.
                finished = json_bytes({**result, "finished": provenance()})
                self.folder.write(tables, **{MODEL: save(tensors, {"arch": config.arch}), RESULT: finished})
            self.place.wait()
        return Result(config, result, tables, model, path, start)

    def _finished(self) -> Result | None:
        """Return the stored result of a finished run; ``None`` where there is none, or any of it is damaged."""
        if self.folder is None:
            return None
        path = self.folder.path
        names = {name: f"{name}.parquet" for name in _TABLES}
        try:
            files = read_set(path, [RESULT, MODEL, *names.values()])
            if RESULT not in files:
                return None
            if MODEL not in files:
                raise DamagedError(f"{path / MODEL} is missing")
            result = read_json(path / RESULT, files[RESULT])
            state = tensors_of(files[MODEL], path / MODEL)
            tables = {n: read_table(path / file, files[file]) for n, file in names.items() if file in files}
        except (OSError, DamagedError) as error:
            # All of it can be made again from the last checkpoint.
            warnings.warn(f"{error}; making it again", CheckpointWarning, stacklevel=2)
            return None
        # Its own weights come from the file, so the ones it began with may be any.
        begun = dataclasses.replace(self.config, checkpoint=None, pretrained=False)
        with torch.random.fork_rng():
            model = quantized(create(begun, self.data).to(self.place.device).eval(), begun, self.method, self.data)
        model.load_state_dict(state)
        model = channels_last(model.to(self.place.device))
        return Result(self.config, result, tables, model.eval(), path)


def tables_of(trainer: Trainer) -> dict[str, pd.DataFrame]:
    """Everything measured so far, one table each."""
    tables = {"metrics": pd.DataFrame(trainer.metrics), "timing": pd.DataFrame(trainer.timing)}
    if trainer.tracker is not None:
        tables |= {"history": trainer.tracker.history_frame(), "levels": trainer.tracker.level_frame()}
        tables["transitions"] = trainer.tracker.transition_frame().rename(columns={"period": "epoch"})
    if trainer.intervals.rows:
        tables["intervals"] = pd.DataFrame(trainer.intervals.rows)
    return tables


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
