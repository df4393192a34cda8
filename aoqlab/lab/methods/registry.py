"""Methods by name."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from .base import LR_GROUPS, Method

Factory = Callable[..., Method]
_FACTORIES: dict[str, Factory] = {}


def register(factory: Factory) -> Factory:
    """Add a method, as a decorator: a function without required arguments that returns a :class:`Method`.

    The name is that of the function, with ``_`` as ``-`` and ``_plus_`` as ``+``; its keyword arguments are the options
    of the method, their defaults the published values; the first line of its docstring is the summary. Raises
    ``ValueError`` for a name that is taken.
    """
    name = factory.__name__.replace("_plus_", "+").replace("_", "-")
    if name in _FACTORIES:
        raise ValueError(f"there is already a method {name!r}; give the function another name")
    if not inspect.getdoc(factory):
        raise ValueError(f"method {name!r} needs a docstring: its first line is the summary")
    _FACTORIES[name] = factory
    return factory


def names() -> list[str]:
    """Names of all methods, in alphabetical order."""
    return sorted(_FACTORIES)


def _factory(name: str) -> Factory:
    if name not in _FACTORIES:
        near = difflib.get_close_matches(name, _FACTORIES, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names())}"
        raise ValueError(f"unknown method {name!r}; {hint}")
    return _FACTORIES[name]


def summary_of(name: str) -> str:
    """One line that says what the method is."""
    return (inspect.getdoc(_factory(name)) or "").partition("\n")[0].rstrip(".")


def options_of(name: str) -> dict[str, Any]:
    """Options of a method with their defaults."""
    parameters = inspect.signature(_factory(name)).parameters
    return {option: parameter.default for option, parameter in parameters.items()}


def get(name: str, **options: Any) -> Method:
    """The method of that name, with some of its options changed.

    Options differ between methods (:func:`options_of`); ``lr_scale``, a mapping from parameter groups to factors on the
    learning rate, is one of all. Raises ``ValueError`` for an unknown name, option, group or a value out of range.
    """
    factory, defaults = _factory(name), options_of(name)
    given = {option: value for option, value in options.items() if option != "lr_scale"}
    for option in given:
        if option not in defaults:
            allowed = ", ".join([*defaults, "lr_scale"])
            raise ValueError(f"method {name!r} has no option {option!r}; it has {allowed}")
    method = factory(**given)
    scale: Mapping[str, float | int] = options.get("lr_scale", {})
    for group in scale:
        if group not in LR_GROUPS:
            raise ValueError(f"there is no parameter group {group!r} for lr_scale; there are {', '.join(LR_GROUPS)}")
    merged = {**method.lr_scale, **scale}
    kept = {**defaults, **given, **({"lr_scale": merged} if scale else {})}
    return replace(method, name=name, summary=summary_of(name), lr_scale=merged, options=kept)


def rebuild(description: Mapping[str, Any]) -> Method:
    """The method that :meth:`Method.describe` described. Needs ``name`` and ``options`` of the description."""
    return get(description["name"], **description["options"])
