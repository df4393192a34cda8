"""The look of every figure: one style sheet, applied for good or for a block."""

from __future__ import annotations

from contextlib import ExitStack
from importlib.resources import as_file, files
from typing import Any

import matplotlib as mpl


def style_settings() -> dict[str, Any]:
    """Return the settings of the package's style sheet, by matplotlib name."""
    # matplotlib types its settings' names one by one; here they come from a file.
    read: Any = mpl.rc_params_from_file
    with as_file(files("aoqlab.lab.plots") / "aoqlab.mplstyle") as path:
        return dict(read(path, use_default_template=False))


def use_style() -> ExitStack:
    """Apply the package's style sheet at once; used in a `with` statement, only until the block ends.

    `use_style()` at the top of a notebook styles all that follows; `with use_style():` styles one block and
    puts back what was there before. Only settings that the sheet names are touched.
    """
    settings = style_settings()
    current: Any = mpl.rcParams
    previous = {name: current[name] for name in settings}
    current.update(settings)
    stack = ExitStack()
    stack.callback(current.update, previous)
    return stack
