"""aoqlab: a laboratory for quantization whose weights oscillate while they are trained."""

from typing import TYPE_CHECKING

from aoqlab._torchvision import mend as _mend

__version__ = "0.1.0"

_mend()  # before anything can import torchvision or timm

# The table of contents, as type checkers and editors read it.
if TYPE_CHECKING:
    from .figures import load_figure_info as load_figure_info
    from .figures import save_figure as save_figure
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

# The same as Python reads it: each name is fetched on first use, because importing torch takes 2 s and the
# command line's help must not wait for it. A test holds the two against each other.
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
    "load_figure_info": "figures",
    "oscillation_penalty": "losses",
    "quantize": "surgery",
    "quantized_layers": "surgery",
    "save_figure": "figures",
    "soft_cross_entropy": "losses",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'aoqlab' has no attribute '{name}'")
    import importlib

    value = globals()[name] = getattr(importlib.import_module(f"aoqlab.{_HOME[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
