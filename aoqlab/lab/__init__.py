"""The laboratory: methods, networks, images, trainings, toy problems, claims, figures, explorers and commands.

It needs more than the small package does: ``pip install "aoqlab[lab]"``.
"""

from importlib import import_module

_MODULES = ("claims", "cli", "datasets", "explorers", "methods", "models", "plots", "shared", "toy", "training")


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module 'aoqlab.lab' has no attribute '{name}'")
    return import_module(f"aoqlab.lab.{name}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
