"""Quantizers: modules that hold the parameters of a grid and fake-quantize with straight-through gradients."""

from .aoq import AOQ as AOQ
from .base import Freezes as Freezes
from .base import Quantizer as Quantizer
from .freezing import Freezing as Freezing
from .lsq import LSQ as LSQ
from .ltq import LTQ as LTQ
from .shifted import Shifted as Shifted
from .statsq import StatsQ as StatsQ
from .uniform import UniformQuantizer as UniformQuantizer
