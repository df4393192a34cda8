"""Model surgery: quantizers on the weights and inputs of every layer of any network, and off again."""

from .attached import WeightSite as WeightSite
from .attached import activation_quantizers as activation_quantizers
from .attached import quantizers_disabled as quantizers_disabled
from .attached import set_enabled as set_enabled
from .attached import weight_sites as weight_sites
from .folding import fold as fold
from .layer_table import quantized_layers as quantized_layers
from .quantizing import quantize as quantize
from .shares import bit_shares as bit_shares
