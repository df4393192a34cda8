"""Model surgery: quantizers on the weights and inputs of every layer of any network, and off again."""

from .audit import quantized_layers as quantized_layers
from .folding import fold as fold
from .operate import quantize as quantize
from .sites import WeightSite as WeightSite
from .sites import activation_quantizers as activation_quantizers
from .sites import quantizers_disabled as quantizers_disabled
from .sites import set_enabled as set_enabled
from .sites import weight_sites as weight_sites
