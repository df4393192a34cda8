"""Training methods by name: which quantizers, which schedule, which regulariser. Torch loads when one is built."""

# Importing a module registers its methods; a new method is one more file and one more line here.
from . import (
    aoq,
    aoq_ablations,
    fp32,
    lsq,
    lsq_dampen,
    lsq_freeze,
    lsq_oscillate,
    n2uq,
    statsq,
)
from .base import FreezeSchedule as FreezeSchedule
from .base import Method as Method
from .base import Regulariser as Regulariser
from .registry import get as get
from .registry import names as names
from .registry import options_of as options_of
from .registry import rebuild as rebuild
from .registry import register as register
from .registry import summary_of as summary_of

del aoq, aoq_ablations, fp32, lsq, lsq_dampen, lsq_freeze, lsq_oscillate, n2uq, statsq
