"""What a machine can be asked for: threads and memory that it has."""

from __future__ import annotations

import os
from pathlib import Path

import joblib

SEED = 2**63 - 1
"""The largest seed that every generator takes."""
PER_CORE = 8
"""Threads or processes on one core beyond which they only wait for each other."""
GROUP = Path("/sys/fs/cgroup/memory.max")


def side_by_side_limit(name: str, value: int) -> int:
    """Return a number of threads or processes that this machine can run side by side; ``ValueError`` for more."""
    cores = joblib.cpu_count()
    if value > PER_CORE * cores:
        raise ValueError(f"{name} must be at most {PER_CORE * cores} on {cores} cores, got {value}")
    return value


def memory() -> int:
    """Return the bytes of memory that this machine, or the group this process is in, has."""
    whole_machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = GROUP.read_text().strip() if GROUP.is_file() else ""
    return min(whole_machine, int(limit)) if limit.isdecimal() else whole_machine


def check_memory(what: str, needed: int, there: int | None = None) -> None:
    """Raise ``ValueError`` where ``what`` needs more bytes than there are (default: :func:`memory`)."""
    there = memory() if there is None else there
    if needed > there:
        raise ValueError(f"{what} needs {needed / 1e9:,.1f} GB of memory or more, and there are {there / 1e9:,.1f} GB")
