"""Many runs side by side, each on one thread."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from torch import nn

from ..shared.processes import side_by_side
from ..shared.store import Store
from .build import create, load_data
from .config import TrainConfig
from .devices import channels_last, place_for
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
    measured: Any = None
    """What ``measure`` made of the whole result."""
    diverged: bool = False
    """Whether there is neither a result nor a table, because the loss was no longer finite."""


def outcomes(
    configs: Sequence[TrainConfig], *, measure: Callable[[Result], Any], starts: Path, jobs: int = -1
) -> Iterator[tuple[int, Outcome]]:
    """Train every configuration in memory; yield each with its place in ``configs``, in the order in which they end.

    ``jobs`` runs at a time (-1: as many as there are cores). Every run has one thread, and device "auto" is the CPU, so
    that results do not depend on ``jobs``. ``measure``, a function that can be pickled, looks at each whole result,
    networks included, where it was made. Runs that begin from the same full-precision network share it: it is trained
    once, before them, and the folder ``starts`` keeps it for later calls. Raises ``RunFailedError`` when a run fails
    other than by diverging; those under way are ended, also when the iterator is closed.
    """
    configs = [as_trained(c) for c in configs]
    # None where a run trains no start first, or brings its own.
    keys = [None if c.full_precision or c.checkpoint or c.pretrained else c.start().digest() for c in configs]
    needed = {key: c for key, c in zip(keys, configs, strict=True) if key is not None}
    begun = dict(side_by_side(jobs, ((key, _start, (c, starts)) for key, c in needed.items())))
    todo = (
        (place, _run, (c, None if key is None else begun[key], measure))
        for place, (c, key) in enumerate(zip(configs, keys, strict=True))
    )
    yield from side_by_side(jobs, todo)


def as_trained(config: TrainConfig) -> TrainConfig:
    """Return a configuration as a sweep trains it: one thread, and the CPU where the device is open."""
    return dataclasses.replace(config, threads=1, device="cpu" if config.device == "auto" else config.device)


def _start(config: TrainConfig, kept: Path) -> nn.Module:
    start = start_of(config)
    name = f"the full-precision start of {_name(config)}"
    assert start.name
    weights = Store(kept).tensors(start.name, lambda: _trained(start, None, name).model.state_dict())
    network = create(start, load_data(start, place_for(start)))
    network.load_state_dict(weights)
    return channels_last(network).eval()


def _run(config: TrainConfig, start: nn.Module | None, measure: Callable[[Result], Any]) -> Outcome:
    try:
        result = _trained(config, start, _name(config))
    except RunFailedError as error:
        if isinstance(error.__cause__, DivergedError):
            return Outcome(config, {}, {}, diverged=True)
        raise
    return Outcome(result.config, result.result, result.tables, measure(result))


def _name(config: TrainConfig) -> str:
    return config.default_name() + (f", lr {config.lr:g}" if config.lr else "")


def _trained(config: TrainConfig, start: nn.Module | None, name: str) -> Result:
    try:
        return train(config, start=start, keep=False, quiet=True)
    except Exception as error:
        raise RunFailedError(f"{name}: {type(error).__name__}: {error}") from error
