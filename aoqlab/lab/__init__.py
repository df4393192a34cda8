"""The laboratory: methods, networks, images, trainings, toy problems, claims, figures, explorers and commands.

It needs more than the small package does: ``pip install "aoqlab[lab]"``.
"""

from importlib import import_module
from importlib.util import find_spec

_MODULES = ("claims", "cli", "datasets", "explorers", "methods", "models", "plots", "shared", "toy", "training")


def _needs(name: str, missing: str | None) -> ModuleNotFoundError:
    message = f'{name} needs {missing}, which is not installed: pip install "aoqlab[lab]"'
    return ModuleNotFoundError(message, name=missing)


# Whichever extra was installed, matplotlib is in it: the sentence comes here, before any import inside.
if find_spec("matplotlib") is None:
    raise _needs("aoqlab.lab", "matplotlib")


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module 'aoqlab.lab' has no attribute '{name}'")
    try:
        return import_module(f"aoqlab.lab.{name}")
    except ModuleNotFoundError as error:
        if str(error.name).startswith("aoqlab"):
            raise
        raise _needs(f"aoqlab.lab.{name}", error.name) from error


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
