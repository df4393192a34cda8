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
    from .losses import soft_cross_entropy as soft_cross_entropy
    from .quantizers import AOQ as AOQ
    from .quantizers import LSQ as LSQ
    from .quantizers import LTQ as LTQ
    from .quantizers import Quantizer as Quantizer
    from .schedule import StageState as StageState
    from .schedule import ThreeStage as ThreeStage
    from .schedule import cosine_ramp as cosine_ramp
    from .tracker import OscillationTracker as OscillationTracker

# The same as Python reads it: each name is fetched on first use, because importing torch takes 2 s and the
# command line's help must not wait for it. A test holds the two against each other.
_HOME = {
    "AOQ": "quantizers",
    "LSQ": "quantizers",
    "LTQ": "quantizers",
    "OscillationTracker": "tracker",
    "Quantizer": "quantizers",
    "StageState": "schedule",
    "ThreeStage": "schedule",
    "UniformGrid": "grids",
    "cosine_ramp": "schedule",
    "dampening_nagel": "losses",
    "dampening_norm": "losses",
    "load_figure_info": "figures",
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
