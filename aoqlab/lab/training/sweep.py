"""Many runs side by side, each on one thread."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from torch import nn

from ...surgery import fold
from .. import datasets
from ..shared.processes import side_by_side
from ..shared.store import Store
from .build import create
from .config import TrainConfig
from .devices import channels_last
from .engine import DivergedError
from .run import Result, start_of, train


class RunFailedError(RuntimeError):
    """A run of a sweep ended in an error; the message names the run and the error."""


@dataclass(frozen=True)
class Outcome:
    """What comes back of one run: numbers and tables of :class:`~aoqlab.lab.training.Result`."""

    config: TrainConfig
    """The settings of the training, with everything that the recipe filled in."""
    result: dict[str, Any]
    tables: dict[str, pd.DataFrame]
    model: nn.Module | None = None
    """With ``models=True``: the trained network in eval mode, folded (:func:`~aoqlab.surgery.fold`)."""
    measured: Any = None
    """What ``measure`` made of the whole result, where the run was trained."""
    diverged: str | None = None
    """Why there is neither a result nor a table: the loss was no longer finite."""


def sweep(
    configs: Sequence[TrainConfig],
    *,
    jobs: int = -1,
    models: bool = False,
    progress: Callable[[int], object] | None = None,
) -> list[Outcome]:
    """Train every configuration in memory, ``jobs`` at a time (-1: as many as there are cores); results in order.

    Runs that begin from the same full-precision network share it: it is trained once, before them. Every run has one
    thread, and device "auto" is the CPU, so that results do not depend on ``jobs``. ``progress`` is called with 1
    after each run (starts not counted). Raises ``RunFailedError`` when a run fails; those under way are ended.
    """
    done: dict[int, Outcome] = {}
    for place, outcome in outcomes(configs, jobs=jobs, models=models):
        done[place] = outcome
        if progress is not None:
            progress(1)
    return [done[place] for place in range(len(configs))]


def outcomes(
    configs: Sequence[TrainConfig],
    *,
    jobs: int = -1,
    models: bool = False,
    measure: Callable[[Result], Any] | None = None,
    starts: Path | None = None,
    diverged: bool = False,
) -> Iterator[tuple[int, Outcome]]:
    """Yield the runs of :func:`sweep` one by one, in the order in which they end, each with its place in ``configs``.

    ``measure``, a function that can be pickled, looks at each whole result, networks included, where it was made.
    ``starts`` is a folder that keeps the full-precision networks for later calls. With ``diverged`` a run that diverges
    is an outcome that says so, and the others continue. Closing the iterator ends the runs under way.
    """
    configs = [as_trained(c) for c in configs]
    keys = [_start_key(c) for c in configs]
    needed = {key: c for key, c in zip(keys, configs, strict=True) if key is not None}
    begun = dict(side_by_side(jobs, ((key, _start, (c, starts)) for key, c in needed.items())))
    todo = (
        (place, _run, (c, None if key is None else begun[key], models, measure, diverged))
        for place, (c, key) in enumerate(zip(configs, keys, strict=True))
    )
    yield from side_by_side(jobs, todo)


def as_trained(config: TrainConfig) -> TrainConfig:
    """Return a configuration as a sweep trains it: one thread, and the CPU where the device is open."""
    return dataclasses.replace(config, threads=1, device="cpu" if config.device == "auto" else config.device)


def _start_key(config: TrainConfig) -> str | None:
    """Return that of the full-precision start; ``None`` where a run trains none first, or brings its own."""
    if config.full_precision or config.checkpoint or config.pretrained:
        return None
    return config.start().digest()


def _start(config: TrainConfig, kept: Path | None) -> nn.Module:
    if kept is None:
        return _trained(config.start(), None, _start_name(config)).model
    start = start_of(config)
    assert start.name
    weights = Store(kept).tensors(start.name, lambda: _trained(start, None, _start_name(config)).model.state_dict())
    network = create(start, datasets.load(start.data, root=start.root, image_size=start.image_size))
    network.load_state_dict(weights)
    return channels_last(network).eval()


def _run(
    config: TrainConfig,
    start: nn.Module | None,
    models: bool,
    measure: Callable[[Result], Any] | None,
    diverged: bool,
) -> Outcome:
    try:
        result = _trained(config, start, _name(config))
    except RunFailedError as error:
        if diverged and isinstance(error.__cause__, DivergedError):
            return Outcome(config, {}, {}, diverged=str(error.__cause__))
        raise
    measured = None if measure is None else measure(result)
    # Folded, because Torch refuses to pickle a network whose weights are computed from others.
    return Outcome(result.config, result.result, result.tables, fold(result.model) if models else None, measured)


def _start_name(config: TrainConfig) -> str:
    return f"the full-precision start of {_name(config)}"


def _name(config: TrainConfig) -> str:
    return config.default_name() + (f", lr {config.lr:g}" if config.lr else "")


def _trained(config: TrainConfig, start: nn.Module | None, name: str) -> Result:
    try:
        return train(config, start=start, keep=False, quiet=True)
    except Exception as error:
        raise RunFailedError(f"{name}: {type(error).__name__}: {error}") from error
