"""One training run from its settings to its results: data, start, teacher, training, final evaluation, tables."""

from __future__ import annotations

import copy
import dataclasses
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from tqdm.auto import tqdm

from .. import datasets, methods, models
from .._files import write_atomic
from .._native import keep_memory
from .._provenance import provenance
from ..methods import Method
from ..surgery import quantize, quantized_layers
from . import checkpoint as checkpoints
from .checkpoint import CheckpointError, CheckpointWarning
from .config import TrainConfig
from .engine import Stopped, Trainer, channels_last
from .evaluate import reestimate_batch_norm
from .folder import CONFIG, MODEL, RESULT, RunExistsError, RunFolder

if TYPE_CHECKING:
    from accelerate import Accelerator

    from ..datasets import Dataset

BATCHES_FOR_NORM = 50
TABLES_EVERY = 5.0
"""Seconds between two writings of a running run's tables."""
SAMPLE = 256
"""Images of the batch that chooses and initialises the activation quantizers."""

OnEpoch = Callable[[dict[str, Any], Trainer], object]


@dataclass
class Result:
    """What a run leaves behind: numbers, tables, and the trained network in eval mode."""

    config: TrainConfig
    result: dict[str, Any]
    """Accuracies and losses at the end, before and after batch norm was measured anew, and what the tracker counted."""
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
    method: Method | None = None,
    start: nn.Module | None = None,
    keep: bool = True,
    quiet: bool = False,
    on_epoch: OnEpoch | None = None,
) -> Result:
    """Train by ``config``; with ``keep`` into a new folder ``data/runs/<name>/``, else in memory alone.

    ``method`` overrides the one that ``config`` names; ``start`` is a full-precision network to begin from instead of
    the one that ``config`` describes (both only with ``keep=False``, since a folder could not say how to make them).
    ``on_epoch(row, trainer)`` is called after each epoch. Ctrl-C and SIGTERM end the run with a checkpoint and raise
    ``Stopped``. Raises ``RunExistsError`` if the name is taken.
    """
    if keep and (method is not None or start is not None):
        raise ValueError("a run with a method or a start of its own is not kept: call train(..., keep=False)")
    with _threads(config.threads):
        keep_memory()
        accelerator = accelerator_for(config)
        data = _load_data(config, accelerator)
        config = absolute(config).resolved(Path(config.data).name, len(data.train), data.image_size)
        method = method or methods.get(config.method, **config.method_options)
        _check(config, method, data, start)
        folder = _new_folder(config, data, accelerator) if keep else None
        if folder is not None:
            config = dataclasses.replace(config, name=folder.path.name)
        job = _Job(config, method, data, accelerator, folder, start, quiet, on_epoch)
        try:
            return job.run()
        finally:
            if folder is not None:
                folder.release()


def resume(name: str, *, quiet: bool = False, on_epoch: OnEpoch | None = None, wait: bool = False) -> Result:
    """Go on with the run in ``data/runs/<name>/`` where its newest usable checkpoint is; a finished one is read.

    Raises ``FileNotFoundError`` (no such run), ``RunBusyError`` (another process trains it) and ``CheckpointError``.
    """
    folder = RunFolder.named(name)
    record = folder.read(CONFIG) or {}
    if not {"settings", "threads"} <= record.keys():
        raise CheckpointError(f"{folder.path / CONFIG} is no configuration of a run")
    config = TrainConfig.from_dict(record["settings"])
    with _threads(record["threads"]):
        keep_memory()
        accelerator = accelerator_for(config)
        if accelerator.is_main_process:
            folder.hold(wait)
        accelerator.wait_for_everyone()
        try:
            data = _load_data(config, accelerator)
            if record.get("images", data.fingerprint) != data.fingerprint:
                raise CheckpointError(
                    f"the images in {config.data} are not those that {folder.path.name} was begun with; put them back, "
                    "or begin a new run"
                )
            method = methods.get(config.method, **config.method_options)
            return _Job(config, method, data, accelerator, folder, None, quiet, on_epoch).run()
        finally:
            folder.release()


def start_of(config: TrainConfig) -> TrainConfig:
    """The full-precision run that ``config`` begins from, by its name; other runs of the same settings share it."""
    accelerator = accelerator_for(config)
    data = _load_data(config, accelerator)
    return _start_on(absolute(config).resolved(Path(config.data).name, len(data.train), data.image_size), data)


def _start_on(config: TrainConfig, data: Dataset) -> TrainConfig:
    """The start, told apart from those on other images by its name."""
    start = config.start()
    return dataclasses.replace(start, name=f"{start.name}-{data.fingerprint[:8]}")


def accelerator_for(config: TrainConfig) -> Accelerator:
    """HF accelerate on the device and with the precision that ``config`` asks for."""
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState, PartialState

    if config.device.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(f"--device {config.device}: this Torch sees no GPU; use --device cpu")
    known = PartialState._shared_state
    if not known or known.get("num_processes", 1) == 1:
        AcceleratorState._reset_state(True)  # settings of an earlier run in this process
    on_cpu = config.device == "cpu" or (config.device == "auto" and not torch.cuda.is_available())
    if config.device.startswith("cuda:"):
        if int(config.device[5:]) >= torch.cuda.device_count():
            raise ValueError(f"--device {config.device}: there are {torch.cuda.device_count()} GPUs, counted from 0")
        torch.cuda.set_device(config.device)
    precision = config.mixed_precision
    if precision == "auto":
        precision = "bf16" if not on_cpu and torch.cuda.is_bf16_supported() else "no"
    if precision == "fp16" and on_cpu:
        raise ValueError("--mixed-precision fp16 needs a GPU; on the CPU take no or bf16")
    return Accelerator(cpu=on_cpu, mixed_precision=precision)


class _Job:
    """The parts of one run, brought together."""

    def __init__(
        self,
        config: TrainConfig,
        method: Method,
        data: Dataset,
        accelerator: Accelerator,
        folder: RunFolder | None,
        start: nn.Module | None,
        quiet: bool,
        on_epoch: OnEpoch | None,
    ) -> None:
        self.config, self.method, self.data, self.accelerator, self.folder = config, method, data, accelerator, folder
        self.quiet = quiet or not accelerator.is_main_process
        self.on_epoch = on_epoch
        self.start = start
        self.layers = pd.DataFrame()
        self._tables_due = 0.0

    def run(self) -> Result:
        finished = self._finished()
        if finished is not None:
            return finished
        start = self.start or self._full_precision(self.config)
        start = start.to(self.accelerator.device).eval()
        teacher = self._teacher(start)
        with torch.random.fork_rng():
            model = self._network(start)
            self._show_layers()
            trainer = Trainer(self.config, self.method, model, teacher, self.data, self.accelerator)
            digest = self.config.digest()
            if self.folder is not None:
                saved = checkpoints.load_newest(self.folder.path, digest)
                if saved is not None:
                    trainer.restore(saved)
            with _progress(trainer, self.config, self.quiet) as bar, _interruptible() as interrupted:
                try:
                    for row in trainer.epochs(interrupted):
                        bar.set_postfix_str(_postfix(row), refresh=False)
                        self._keep(trainer, digest)
                        if self.config.tensorboard and self.folder is not None and self.accelerator.is_main_process:
                            _write_events(self.folder.path, row)
                        if self.on_epoch is not None:
                            self.on_epoch(row, trainer)
                except Stopped:
                    self._keep(trainer, digest)
                    raise Stopped(self._how_to_go_on(trainer)) from None
            return self._finish(trainer, start)

    def _network(self, start: nn.Module) -> nn.Module:
        """A copy of the start with quantizers in place, initialised from its weights and from unaugmented images."""
        config, method = self.config, self.method
        model = copy.deepcopy(start).train()
        weights = None if method.weights is None else method.weights(config.bits)
        bits = config.activation_bits or config.bits
        activations = None if method.activations is None or bits == 32 else method.activations(bits)
        if weights is not None or activations is not None:
            size = min(SAMPLE, len(self.data.train))
            sample = self.data.train.sample(size, config.seed)
            quantize(
                model,
                weights=weights,
                activations=activations,
                sample=sample,
                skip=config.skip,
                quantize_downsampling=config.quantize_downsampling,
            )
        self.layers = quantized_layers(model)
        return model

    def _show_layers(self) -> None:
        """Print the audit of the layers, and keep it."""
        if self.folder is not None and self.accelerator.is_main_process:
            self.folder.write_tables({"layers": self.layers})
        if not self.quiet:
            nothing = "full precision: no layer is quantized"
            tqdm.write(nothing if self.config.full_precision else audit_text(self.layers))

    def _full_precision(self, config: TrainConfig) -> nn.Module:
        """The network before quantization: from a file, from timm, or trained by this same engine and kept."""
        if config.full_precision or config.checkpoint or config.pretrained:
            return _create(config, self.data)
        start = _start_on(config, self.data)
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
                f"stopped in the full-precision start; go on with: bash run.sh resume {self.folder.path.name}"
            ) from None

    def _teacher(self, start: nn.Module) -> nn.Module | None:
        name = self.config.teacher
        if name == "none" or self.config.full_precision:
            return None
        if name == "start":
            return copy.deepcopy(start).requires_grad_(False)
        return self._full_precision(_teacher_of(self.config)).requires_grad_(False)

    def _keep(self, trainer: Trainer, digest: str) -> None:
        """Write a checkpoint and the tables so far."""
        if self.folder is None or not self.accelerator.is_main_process:
            return
        checkpoints.save(self.folder.path, trainer.capture(digest))
        if time.monotonic() < self._tables_due:
            return  # all of it is in the checkpoint, and the end writes them in any case
        self._tables_due = time.monotonic() + TABLES_EVERY
        self.folder.write_tables(tables_of(trainer))

    def _how_to_go_on(self, trainer: Trainer) -> str:
        where = f"stopped at step {trainer.step} of {trainer.total_steps}"
        if self.folder is None:
            return f"{where}; nothing was kept"
        return f"{where}; go on with: bash run.sh resume {self.folder.path.name}"

    def _finish(self, trainer: Trainer, start: nn.Module) -> Result:
        """Measure batch norm anew, evaluate before and after, write the results."""
        config, model = self.config, trainer.model
        loss_before, before = trainer.evaluate()
        norms = reestimate_batch_norm(model, self._for_norm(), context=trainer.context)
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
        }
        tables = {**tables_of(trainer), "layers": self.layers}
        if trainer.tracker is not None:
            result["tracker"] = trainer.tracker.summary()
        model.eval()
        path = None
        if self.folder is not None:
            path = self.folder.path
            if self.accelerator.is_main_process:
                tensors = {k: v.detach().cpu().contiguous().clone() for k, v in model.state_dict().items()}
                self.folder.write_tables(tables)  # a kill after the last checkpoint leaves them an epoch short
                write_atomic(path / MODEL, lambda file: save_file(tensors, file, metadata={"arch": config.arch}))
                self.folder.write_json(RESULT, {**result, "finished": provenance()})
            self.accelerator.wait_for_everyone()
        return Result(config, result, tables, model, path, start)

    def _for_norm(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Augmented training batches of an epoch that training did not see; the same in every process."""
        config = self.config
        assert config.batch_size and config.epochs
        batches = self.data.train.batches(config.epochs, seed=config.seed, batch_size=config.batch_size)
        for _, batch in zip(range(BATCHES_FOR_NORM), batches, strict=False):
            yield batch

    def _finished(self) -> Result | None:
        """The stored result of a run that came to its end; ``None`` where there is none, or its network is damaged."""
        result = None if self.folder is None else self.folder.read(RESULT)
        if result is None or self.folder is None:
            return None
        path = self.folder.path
        try:
            state = load_file(path / MODEL)
        except (OSError, SafetensorError) as error:
            # All of it can be made again from the last checkpoint.
            warnings.warn(
                f"{path / MODEL} is missing or damaged ({error}); making it again", CheckpointWarning, stacklevel=2
            )
            return None
        tables = {p.stem: pd.read_parquet(p) for p in sorted(path.glob("[!.]*.parquet"))}
        # Its own weights come from the file, so the ones it began with may be any.
        begun = dataclasses.replace(self.config, checkpoint=None, pretrained=False)
        with torch.random.fork_rng():
            model = self._network(_create(begun, self.data).to(self.accelerator.device).eval())
        model.load_state_dict(state)
        model = channels_last(model.to(self.accelerator.device))
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


def audit_text(layers: pd.DataFrame) -> str:
    """The audit of layers in 80 columns: layer, shape, bits of weights and activations, and how or why not."""
    rows: list[tuple[str, ...]] = [("layer", "shape", "W", "A", "how")]
    for row in layers.itertuples():
        bits = [f"{b:.0f}" if pd.notna(b) else "-" for b in (row.weight_bits, row.activation_bits)]
        how = row.why_skipped or ", ".join(
            filter(None, (row.weight_method, row.activation_method, row.activation_rule))
        )
        rows.append((str(row.layer), str(row.shape), *bits, how))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    return "\n".join("  ".join([*(row[i].ljust(widths[i]) for i in range(4)), row[4]]).rstrip() for row in rows)


def _check(config: TrainConfig, method: Method, data: Dataset, start: nn.Module | None) -> None:
    """Refuse what cannot be built or trained before anything is computed or written."""
    assert config.batch_size
    data.train.steps(config.batch_size)
    if method.freezing is not None and config.track_every > 1:
        raise ValueError(f"{method.name} freezes by what the tracker sees at every step: track_every must be 1")
    network = copy.deepcopy(start) if start is not None else _create(config, data)
    if method.weights is not None:
        quantize(
            network,
            weights=method.weights(config.bits),
            skip=config.skip,
            quantize_downsampling=config.quantize_downsampling,
        )
    if config.teacher not in ("start", "none") and not config.full_precision:
        _create(_teacher_of(config), data)


def _teacher_of(config: TrainConfig) -> TrainConfig:
    """The settings of a teacher that is another network."""
    cifar = config.teacher in models.CIFAR_RESNETS
    return dataclasses.replace(
        config,
        arch=config.teacher,
        checkpoint=config.teacher_checkpoint,
        teacher="start",
        teacher_checkpoint=None,
        shortcut=config.shortcut if cifar else "B",
        pretrained=config.pretrained and not cifar and not config.teacher_checkpoint,
        new_head=False,
    )


def absolute(config: TrainConfig) -> TrainConfig:
    """Files and folders by their whole path, so that the run can be gone on with from any working directory."""
    given = {name: getattr(config, name) for name in ("root", "checkpoint", "teacher_checkpoint")}
    given["data"] = datasets.folder_of(config.data, config.root)
    whole: dict[str, Any] = {name: str(Path(path).resolve()) for name, path in given.items() if path}
    return dataclasses.replace(config, **whole)


def _create(config: TrainConfig, data: Dataset) -> nn.Module:
    """The network with random weights of the seed, or those of the file or download that the settings name."""
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        return models.create(
            config.arch,
            num_classes=data.num_classes,
            in_chans=data.in_chans,
            image_size=data.image_size,
            shortcut=config.shortcut,
            pretrained=config.pretrained,
            checkpoint=config.checkpoint,
            new_head=config.new_head,
        )


def _load_data(config: TrainConfig, accelerator: Accelerator) -> Dataset:
    with accelerator.main_process_first():  # who decodes and keeps the pixels; the others read them
        return datasets.load(
            config.data,
            root=config.root,
            image_size=config.image_size,
            download=config.download,
            device=accelerator.device,
        )


def _new_folder(config: TrainConfig, data: Dataset, accelerator: Accelerator) -> RunFolder:
    """Made and held by the main process; the others are told its name."""

    def record(name: str) -> dict[str, Any]:
        return {
            "settings": dataclasses.replace(config, name=name).to_dict(),
            "method": methods.get(config.method, **config.method_options).describe(),
            "digest": config.digest(),
            "threads": torch.get_num_threads(),
            "images": data.fingerprint,
            "processes": accelerator.num_processes,
            "device": str(accelerator.device),
            "gpu": torch.cuda.get_device_name() if accelerator.device.type == "cuda" else None,
            "mixed_precision": str(accelerator.mixed_precision),
            **provenance(),
        }

    folder: RunFolder | None = None
    outcome: list[str | None] = [None, None]  # the folder, or the reason why there is none
    if accelerator.is_main_process:
        try:
            folder = RunFolder.create(config.name, config.default_name(), record)
            outcome = [str(folder.path), None]
        except RunExistsError as error:
            outcome = [None, str(error)]
    if accelerator.num_processes > 1:
        from accelerate.utils import broadcast_object_list

        outcome = broadcast_object_list(outcome)
    path, reason = outcome
    if path is None:
        raise RunExistsError(reason)
    return folder if folder is not None else RunFolder(Path(path))


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
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


@contextmanager
def _progress(trainer: Trainer, config: TrainConfig, quiet: bool) -> Iterator[Any]:
    title = config.name or config.default_name()
    # In a log, where the bar cannot be redrawn, a line now and then is enough.
    watched = sys.stderr.isatty() or "ipykernel" in sys.modules
    with tqdm(
        total=trainer.total_steps,
        initial=trainer.step,
        desc=title,
        disable=quiet,
        unit="step",
        mininterval=0.1 if watched else 30.0,
    ) as bar:
        trainer.advance = bar.update
        yield bar


def _postfix(row: dict[str, Any]) -> str:
    accuracy = "" if row["test_accuracy"] is None else f", test {row['test_accuracy']:.1%}"
    stage = f", {row['stage']}" if "stage" in row else ""
    return f"epoch {row['epoch']}, loss {row['train_loss']:.3f}{accuracy}{stage}"


def _write_events(folder: Path, row: dict[str, Any]) -> None:
    """A row of metrics as TensorBoard events."""
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder / "events")) as writer:
        for name, value in row.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                writer.add_scalar(name, value, row["step"])
