"""aoqlab: a laboratory for quantization whose weights oscillate while they are trained."""

from aoqlab._torchvision import mend as _mend

_mend()  # before anything can import torchvision or timm

from .figures import load_figure_info as load_figure_info  # noqa: E402
from .figures import save_figure as save_figure  # noqa: E402
from .grids import UniformGrid as UniformGrid  # noqa: E402
from .losses import dampening_nagel as dampening_nagel  # noqa: E402
from .losses import dampening_norm as dampening_norm  # noqa: E402
from .losses import soft_cross_entropy as soft_cross_entropy  # noqa: E402
from .quantizers import AOQ as AOQ  # noqa: E402
from .quantizers import LSQ as LSQ  # noqa: E402
from .quantizers import LTQ as LTQ  # noqa: E402
from .quantizers import Quantizer as Quantizer  # noqa: E402
from .schedule import StageState as StageState  # noqa: E402
from .schedule import ThreeStage as ThreeStage  # noqa: E402
from .schedule import cosine_ramp as cosine_ramp  # noqa: E402
from .tracker import OscillationTracker as OscillationTracker  # noqa: E402

__version__ = "0.1.0"
