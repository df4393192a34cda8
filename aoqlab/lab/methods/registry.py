"""Methods by name."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from .base import Method

Factory = Callable[..., Method]


@dataclass(frozen=True)
class Entry:
    """A registered method: what builds it, and how figures call and colour it."""

    factory: Factory
    label: str
    color: str


_ENTRIES: dict[str, Entry] = {}


def register(*, label: str, color: str) -> Callable[[Factory], Factory]:
    """Add a method, as a decorator: a function without required arguments that returns a :class:`Method`.

    ``label`` is its name in figures, ``color`` its colour there, "#rrggbb". The name is that of the function, with
    ``_`` as ``-`` and ``_plus_`` as ``+``; its keyword arguments are the options of the method, their defaults the
    published values; the first line of its docstring is the summary. Raises ``ValueError`` for a name that is taken, a
    missing docstring or another form of colour.
    """
    if not re.fullmatch("#[0-9A-Fa-f]{6}", color):
        raise ValueError(f"the colour of a method must have the form #rrggbb, got {color!r}")

    def add(factory: Factory) -> Factory:
        name = factory.__name__.replace("_plus_", "+").replace("_", "-")
        if name in _ENTRIES:
            raise ValueError(f"there is already a method {name!r}; give the function another name")
        if not inspect.getdoc(factory):
            raise ValueError(f"method {name!r} needs a docstring: its first line is the summary")
        _ENTRIES[name] = Entry(factory, label, color)
        return factory

    return add


def names() -> list[str]:
    """Return the names of all methods, in alphabetical order."""
    return sorted(_ENTRIES)


def entry(name: str) -> Entry:
    """Return what is registered under a name. Raises ``ValueError`` with the nearest names for an unknown one."""
    if name not in _ENTRIES:
        near = difflib.get_close_matches(name, _ENTRIES, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names())}"
        raise ValueError(f"unknown method {name!r}; {hint}")
    return _ENTRIES[name]


def label_of(name: str) -> str:
    """Return the name of a method as figures print it."""
    return entry(name).label


def color_of(name: str) -> str:
    """Return the colour of a method in figures, "#rrggbb"."""
    return entry(name).color


def summary_of(name: str) -> str:
    """Return one line that says what the method is."""
    return (inspect.getdoc(entry(name).factory) or "").partition("\n")[0].rstrip(".")


def options_of(name: str) -> dict[str, Any]:
    """Return the options of a method with their defaults."""
    parameters = inspect.signature(entry(name).factory).parameters
    return {option: parameter.default for option, parameter in parameters.items()}


def get(name: str, **options: Any) -> Method:
    """Return the method of that name, with some of its options changed.

    Options differ between methods (:func:`options_of`); ``lr_scale``, a mapping from parameter groups to factors on the
    learning rate, is one of all. Raises ``ValueError`` for an unknown name, option, group or a value out of range.
    """
    defaults = options_of(name)
    given = {option: value for option, value in options.items() if option != "lr_scale"}
    for option in given:
        if option not in defaults:
            allowed = ", ".join([*defaults, "lr_scale"])
            raise ValueError(f"method {name!r} has no option {option!r}; it has {allowed}")
    method = entry(name).factory(**given)
    merged = {**method.lr_scale, **options.get("lr_scale", {})}
    kept = {**defaults, **given, **({"lr_scale": merged} if options.get("lr_scale") else {})}
    return replace(method, name=name, summary=summary_of(name), lr_scale=merged, options=kept)


def methods_table() -> str:
    """Return the Markdown table in docs/methods.md: a row per method, its quantizers of weights and inputs."""
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
