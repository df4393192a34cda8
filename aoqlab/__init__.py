"""aoqlab: quantizers whose weights may oscillate, and trackers that show how they do.

Everything outside ``aoqlab.lab`` is the small package: it needs torch, numpy, pandas and jaxtyping only. ``aoqlab.lab``
is the laboratory (toy problems, trainings, claims, figures, explorers, commands); ``pip install "aoqlab[lab]"`` brings
what it needs.
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

# The same as Python reads it: each name is fetched on first use, so that importing aoqlab costs nothing before.
_HOME = {
    "AOQ": "quantizers",
    "Freezing": "quantizers",
    "LSQ": "quantizers",
    "LTQ": "quantizers",
    "OscillationTracker": "tracker",
    "Quantizer": "quantizers",
    "Shifted": "quantizers",
    "StageState": "schedule",
    "StatsQ": "quantizers",
    "ThreeStage": "schedule",
    "UniformGrid": "grids",
    "cosine_ramp": "schedule",
    "dampening_nagel": "losses",
    "dampening_norm": "losses",
    "fold": "surgery",
    "oscillation_penalty": "losses",
    "quantize": "surgery",
    "quantized_layers": "surgery",
    "soft_cross_entropy": "losses",
}
_MODULES = ("grids", "kernels", "lab", "losses", "quantizers", "schedule", "ste", "surgery", "tracker")

__all__ = list(_HOME)


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return import_module(f"aoqlab.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'aoqlab' has no attribute '{name}'")
    value = globals()[name] = getattr(import_module(f"aoqlab.{_HOME[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, *_MODULES})
