"""The parser of the command line, and options made from the fields of a dataclass."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import difflib
import inspect
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal, get_args, get_origin, get_type_hints

from .errors import UsageError

WANTED = {int: "a whole number", float: "a number", bool: "1 or 0 (true or false)"}
TRUTH = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


class Parser(argparse.ArgumentParser):
    """An argument parser that raises ``UsageError`` instead of printing its usage and ending the program."""

    def __init__(self, **settings: Any) -> None:
        settings.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> Any:
        """Raise the message as ``UsageError``."""
        raise UsageError(re.sub(r"^argument (\S+): (?=must )", r"\1 ", message))


def parse(parser: argparse.ArgumentParser, words: Sequence[str], command: argparse.ArgumentParser) -> Any:
    """Parse ``words``; an unknown option is answered with the nearest ones of the command."""
    plain = [re.sub("_", "-", word) if word.startswith("--") and "=" not in word else word for word in words]
    options, unknown = parser.parse_known_args(plain)
    if unknown:
        word = unknown[0].partition("=")[0]
        known = [name for action in command._actions for name in action.option_strings]
        near = difflib.get_close_matches(word, known) if word.startswith("-") else []
        hint = f"did you mean {' or '.join(near)}?" if near else f"`{command.prog} --help` lists all options"
        raise UsageError(f"unknown {'option' if word.startswith('-') else 'word'} {word!r}; {hint}")
    return options


def converted(kind: type, text: str) -> Any:
    """Convert text to a whole number, a number or a truth value."""
    try:
        return TRUTH[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError):
        raise argparse.ArgumentTypeError(f"must be {WANTED[kind]}, got {text!r}") from None


whole, number, truth = (partial(converted, kind) for kind in (int, float, bool))


def add_fields(parser: argparse.ArgumentParser, cls: type, *, skip: Sequence[str], notes: Mapping[str, str]) -> None:
    """Add an option for each field of a dataclass; its type, default and docstring become the option's.

    Fields in ``skip`` get none. ``notes`` replace the default in the help.
    """
    docs, hints = field_docs(cls), get_type_hints(cls)
    for field in dataclasses.fields(cls):
        if field.name in skip:
            continue
        kind = next((k for k in get_args(hints[field.name]) if get_origin(hints[field.name]) is not Literal), None)
        kind = kind or hints[field.name]
        default = "" if field.default in (None, ()) or kind is bool else f"default: {field.default}"
        note = notes.get(field.name, default)
        settings: dict[str, Any] = {"help": f"{docs[field.name]}{f' ({note})' if note else ''}".replace("%", "%%")}
        if kind is bool:
            settings["action"] = "store_true"
        else:
            settings |= {"default": field.default, "metavar": "TEXT"}
        if kind in (int, float):
            settings |= {"type": whole, "metavar": "N"} if kind is int else {"type": number, "metavar": "X"}
        if get_origin(kind) is Literal:
            settings |= {"choices": get_args(kind), "metavar": "{" + ",".join(get_args(kind)) + "}"}
        if get_origin(hints[field.name]) is tuple:
            settings["nargs"] = "*"
        parser.add_argument(f"--{field.name.replace('_', '-')}", **settings)


def field_docs(cls: type) -> dict[str, str]:
    """Return the docstrings behind the fields of a class, each as one paragraph."""
    (body,) = ast.parse(inspect.getsource(cls)).body
    assert isinstance(body, ast.ClassDef)
    docs = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
            docs[ast.unparse(field.target)] = " ".join(ast.literal_eval(text.value).split())
    return docs
