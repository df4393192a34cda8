"""From an error to one sentence and an exit status."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

FAILED, USAGE_ERROR, INTERRUPTED = 1, 2, 130
"""Exit statuses: of work that failed, of a wrong command line (as argparse), of Ctrl-C (as the shell)."""


class UsageError(ValueError):
    """The command line makes no sense; the message says what is allowed."""


def guarded(work: Callable[[], int | None]) -> int:
    """Do the work of a command and return its exit status.

    What a user can repair, and Ctrl-C, becomes one sentence on stderr; anything unexpected keeps its traceback.
    """
    try:
        status = work() or 0
        sys.stdout.flush()
    except SystemExit as stop:  # argparse, after --help and --version
        return int(stop.code or 0)
    except BrokenPipeError:  # the reader, such as `head`, has seen enough; Python must not complain at exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Exception, KeyboardInterrupt) as error:
        found = _status_of(error)
        if found is None:
            raise
        print(f"aoqlab: {_sentence(error)}", file=sys.stderr)
        return found
    return status


def _sentence(error: BaseException) -> str:
    words = str(error)
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        words = f"{error.strerror}: {error.filename!r}"  # without the number
    return " ".join(words.split()) or "interrupted"


def _status_of(error: BaseException) -> int | None:
    """Return the exit status that an error stands for, ``None`` for an unexpected one."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, UsageError | FileNotFoundError | NotADirectoryError | FileExistsError | IsADirectoryError):
        return USAGE_ERROR
    if getattr(error, "errno", None) in (errno.ENAMETOOLONG, errno.ELOOP) or str(error).startswith("Symlink loop"):
        return USAGE_ERROR  # as a path that names nothing; pathlib's error for a loop has no type of its own
    if isinstance(error, OSError) or type(error).__module__.startswith("aoqlab."):
        return FAILED
    if isinstance(error, ValueError | RuntimeError) and _raised_here(error):
        return USAGE_ERROR if isinstance(error, ValueError) else FAILED
    return None


def _raised_here(error: BaseException) -> bool:
    """Whether this package raised the error, and so says what to do, instead of a library that it calls."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    module = "" if trace is None else str(trace.tb_frame.f_globals.get("__name__"))
    return module.partition(".")[0] == "aoqlab"
