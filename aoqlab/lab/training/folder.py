"""A run is a folder: who may write into it, and what is written."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from ..shared import paths
from ..shared.files import Content, DamagedError, complete, read_json, write_set
from .checkpoint import CheckpointError

CONFIG, RESULT, MODEL = "config.json", "result.json", "model.safetensors"


class RunExistsError(FileExistsError):
    """A run of this name is there already."""


class RunBusyError(RuntimeError):
    """Another process is training in this folder at this moment."""


class RunFolder:
    """``data/runs/<name>/``, held by one process at a time (the lock goes with the process, however it ends)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None  # a file descriptor

    @classmethod
    def create(cls, name: str | None, otherwise: str, record: Callable[[str], dict[str, Any]]) -> RunFolder:
        """Make a new folder, held by this process, with ``record(its name)`` as its ``config.json``.

        ``name`` must be free (``RunExistsError``); without one, ``otherwise`` gets a number if it is taken. The folder
        takes its name when all of this is in it, so that two processes never share one and none is half made.
        """
        runs = paths.data_dir() / "runs"
        _remove_unfinished(runs)
        fresh = cls(runs / f".new-{uuid.uuid4().hex[:12]}")
        fresh.path.mkdir(parents=True)
        try:
            fresh.hold()
            for number in itertools.count(1):
                chosen = name or (otherwise if number == 1 else f"{otherwise}-{number}")
                target = runs / chosen
                if not target.exists():
                    fresh.write({}, **{CONFIG: json_bytes(record(chosen))})
                    try:
                        os.rename(fresh.path, target)
                    except OSError:
                        if not target.exists():  # otherwise another process was faster
                            raise
                    else:
                        fresh.path = target
                        return fresh
                if name is not None:
                    raise RunExistsError(
                        f"there is a run named {name!r} already ({target}); resume it (--resume), remove the "
                        "folder, or choose another --name"
                    )
        finally:
            if fresh.path.name.startswith(".new-"):
                fresh.release()
                shutil.rmtree(fresh.path, ignore_errors=True)
        raise AssertionError("unreachable")

    @classmethod
    def named(cls, name: str) -> RunFolder:
        """Open the folder of an existing run by its name or path. ``FileNotFoundError`` says which there are."""
        for path in (paths.data_dir() / "runs" / name, Path(name)):
            if (path / CONFIG).is_file():
                return cls(path)
        there = sorted(p.parent.name for p in (paths.data_dir() / "runs").glob(f"*/{CONFIG}"))
        raise FileNotFoundError(f"there is no run {name!r}; there are: {', '.join(there) or 'none yet'}")

    def hold(self, wait: bool = False) -> None:
        """Take the folder for this process. Raises ``RunBusyError`` if another one has it (or waits for it)."""
        descriptor = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            os.close(descriptor)
            raise RunBusyError(
                f"another process is training in {self.path}; wait for it or choose another --name"
            ) from error
        self._lock = descriptor
        complete(self.path)  # what a killed process was writing

    def release(self) -> None:
        """Let others have the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def read(self, file: str) -> dict[str, Any] | None:
        """Read a JSON file of the run, ``None`` where there is none; ``CheckpointError`` names a damaged one."""
        try:
            return read_json(self.path / file)
        except FileNotFoundError:
            return None
        except DamagedError as error:
            raise CheckpointError(str(error)) from error

    def write(self, tables: dict[str, pd.DataFrame], **files: Content) -> None:
        """Write tables as Parquet files, and other files by their names: one set, see :func:`~.files.write_set`."""
        frames = {f"{name}.parquet": partial(table.to_parquet, index=False) for name, table in tables.items()}
        write_set({self.path / name: content for name, content in {**frames, **files}.items()})


def json_bytes(content: dict[str, Any]) -> bytes:
    """Return what a JSON file of a run holds."""
    return (json.dumps(content, indent=2, default=str) + "\n").encode()


def _remove_unfinished(runs: Path) -> None:
    """Folders whose process was killed before they had a name."""
    for path in runs.glob(".new-*"):
        if not re.fullmatch(r"\.new-[0-9a-f]{12}", path.name) or time.time() - path.stat().st_mtime < 3600:
            continue  # foreign, or perhaps it is being made at this moment
        folder = RunFolder(path)
        with suppress(RunBusyError, OSError):
            folder.hold()
            shutil.rmtree(path, ignore_errors=True)
        folder.release()
