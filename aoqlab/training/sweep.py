"""Many runs side by side, each on one thread."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import joblib
import pandas as pd
from torch import nn

from ..surgery import fold
from .config import TrainConfig
from .run import Result, train


class RunFailedError(RuntimeError):
    """A run of a sweep ended in an error; the message names the run and the error."""


@dataclass(frozen=True)
class Outcome:
    """What comes back of one run: numbers and tables of :class:`~aoqlab.training.Result`."""

    config: TrainConfig
    """As it was trained, with everything that the recipe filled in."""
    result: dict[str, Any]
    tables: dict[str, pd.DataFrame]
    model: nn.Module | None = None
    """With ``models=True``: the trained network in eval mode, folded (:func:`~aoqlab.surgery.fold`)."""


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
    configs = [dataclasses.replace(c, threads=1, device="cpu" if c.device == "auto" else c.device) for c in configs]
    keys = [_start_key(c) for c in configs]
    needed = {key: c for key, c in zip(keys, configs, strict=True) if key is not None}
    # joblib's worker processes stay alive between the two calls, so that what they import is imported once.
    starts = dict(_side_by_side(jobs, ((key, _start, (c,)) for key, c in needed.items())))
    todo = (
        (place, _run, (c, None if key is None else starts[key], models))
        for place, (c, key) in enumerate(zip(configs, keys, strict=True))
    )
    outcomes: dict[int, Outcome] = {}
    for place, outcome in _side_by_side(jobs, todo):
        outcomes[place] = outcome
        if progress is not None:
            progress(1)
    return [outcomes[place] for place in range(len(configs))]


def _side_by_side(
    jobs: int, todo: Iterable[tuple[Any, Callable[..., Any], tuple[Any, ...]]]
) -> Iterator[tuple[Any, Any]]:
    """(name, work, arguments) in, (name, what the work returned) out, in the order in which they are done."""
    pool = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")
    return iter(pool(joblib.delayed(_named)(name, work, arguments) for name, work, arguments in todo))


def _named(name: Any, work: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[Any, Any]:
    return name, work(*arguments)


def _start_key(config: TrainConfig) -> str | None:
    """The same where the full-precision start is; ``None`` where a run trains none first, or brings its own."""
    if config.full_precision or config.checkpoint or config.pretrained:
        return None
    return config.start().digest()


def _start(config: TrainConfig) -> nn.Module:
    return _trained(config.start(), None, f"the full-precision start of {_name(config)}").model


def _run(config: TrainConfig, start: nn.Module | None, models: bool) -> Outcome:
    result = _trained(config, start, _name(config))
    # Folded, because Torch refuses to pickle a network whose weights are computed from others.
    return Outcome(result.config, result.result, result.tables, fold(result.model) if models else None)


def _name(config: TrainConfig) -> str:
    return config.default_name() + (f", lr {config.lr:g}" if config.lr else "")


def _trained(config: TrainConfig, start: nn.Module | None, name: str) -> Result:
    try:
        return train(config, start=start, keep=False, quiet=True)
    except Exception as error:
        raise RunFailedError(f"{name}: {type(error).__name__}: {error}") from error
