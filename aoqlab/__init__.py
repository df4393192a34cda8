"""Quantizers whose weights may oscillate during training, and trackers that show how they move.

Everything outside ``aoqlab.lab`` is the small package: it needs torch, numpy, pandas and jaxtyping only. ``aoqlab.lab``
is the laboratory (toy problems, trainings, claims, figures, explorers, commands), which ``pip install "aoqlab[lab]"``
installs the packages for.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

# The table of contents, as type checkers and editors read it.
if TYPE_CHECKING:
    from .grids import UniformGrid as UniformGrid
    from .losses import dampening_nagel as dampening_nagel
    from .losses import dampening_norm as dampening_norm
    from .losses import oscillation_penalty as oscillation_penalty
    from .losses import soft_cross_entropy as soft_cross_entropy
    from .quantizers import AOQ as AOQ
    from .quantizers import LSQ as LSQ
    from .quantizers import LTQ as LTQ
    from .quantizers import Freezing as Freezing
    from .quantizers import Quantizer as Quantizer
    from .quantizers import Shifted as Shifted
    from .quantizers import StatsQ as StatsQ
    from .schedule import StageState as StageState
    from .schedule import ThreeStage as ThreeStage
    from .schedule import cosine_ramp as cosine_ramp
    from .surgery import fold as fold
    from .surgery import quantize as quantize
    from .surgery import quantized_layers as quantized_layers
    from .tracker import OscillationTracker as OscillationTracker

# The same table at run time: each name is imported on first use, so `import aoqlab` itself loads nothing.
_CONTENTS = {
    "grids": ["UniformGrid"],
    "losses": ["dampening_nagel", "dampening_norm", "oscillation_penalty", "soft_cross_entropy"],
    "quantizers": ["AOQ", "LSQ", "LTQ", "Freezing", "Quantizer", "Shifted", "StatsQ"],
    "schedule": ["StageState", "ThreeStage", "cosine_ramp"],
    "surgery": ["fold", "quantize", "quantized_layers"],
    "tracker": ["OscillationTracker"],
    "kernels": [],
    "lab": [],
    "ste": [],
}
_HOME = {name: module for module, names in _CONTENTS.items() for name in names}

__all__ = list(_HOME)


def __getattr__(name: str) -> object:
    if name in _CONTENTS:
        return import_module(f"aoqlab.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'aoqlab' has no attribute '{name}'")
    value = globals()[name] = getattr(import_module(f"aoqlab.{_HOME[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, *_CONTENTS})
