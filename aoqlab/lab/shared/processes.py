"""Work done side by side in several processes."""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import joblib

from .paths import ROOT

_WATCH = "ends with the caller"


def side_by_side(
    jobs: int, todo: Iterable[tuple[Any, Callable[..., Any], tuple[Any, ...]]]
) -> Iterator[tuple[Any, Any]]:
    """(name, work, arguments) in, (name, what the work returned) out, in the order in which they are done.

    ``jobs`` at a time (-1: one per core); 1 works in this process. Work and arguments have to be picklable. The
    processes stay for the next call, so that what they import is imported once; the project they work in is that of
    the caller, and they end when it ends, however that happens.
    """
    # A process that has grown by 300 MB ends after its work and another takes its place. joblib warns of it from the
    # thread that hands out work; were the warning an error, that thread would end and everybody wait for ever.
    warnings.filterwarnings("ignore", "A worker stopped while some jobs were given to the executor", UserWarning)
    pool = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")
    root = os.environ.get(ROOT)  # a process that stays would keep that of its first call
    caller = os.getpid()
    return iter(pool(joblib.delayed(_named)(caller, root, name, work, arguments) for name, work, arguments in todo))


def _named(
    caller: int, root: str | None, name: Any, work: Callable[..., Any], arguments: tuple[Any, ...]
) -> tuple[Any, Any]:
    if os.getpid() != caller and all(thread.name != _WATCH for thread in threading.enumerate()):
        threading.Thread(target=_end_with, args=(caller,), name=_WATCH, daemon=True).start()
    if root is not None:
        os.environ[ROOT] = root
    elif ROOT in os.environ:
        del os.environ[ROOT]
    return name, work(*arguments)


def _end_with(caller: int) -> None:
    """End this process soon after the one that began it; Linux's own signal would follow a thread of it instead."""
    while os.getppid() == caller:
        time.sleep(0.5)
    os._exit(1)
