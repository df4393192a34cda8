"""The table of all methods in docs/methods.md."""

from __future__ import annotations

import inspect
import re

from .registry import entry, get, names, summary_of


def methods_table() -> str:
    """Return a Markdown table with a row per method: its quantizers of weights and inputs, and what it is."""
    import pandas as pd

    from ...surgery.layer_table import method_of
    from ..shared.tables import as_markdown

    rows = []
    for name in names():
        method = get(name)
        kinds = [None if make is None else method_of(make(2)) for make in (method.weights, method.activations)]
        source = re.search(r"Source: (.*?\d{4})", inspect.getdoc(entry(name).factory) or "", re.DOTALL)
        rows.append((f"`{name}`", *kinds, summary_of(name), " ".join(source[1].split()) if source else None))
    return as_markdown(pd.DataFrame(rows, columns=["method", "weights", "activations", "what it is", "source"]))
