"""Training methods by name: which quantizers, which schedule, which regulariser. Torch loads when one is built.

Every file of this folder is imported and so registers its methods: a new method is one more file.
"""

from importlib import import_module
from pkgutil import iter_modules

from .base import FreezeSchedule as FreezeSchedule
from .base import Method as Method
from .base import Regulariser as Regulariser
from .registry import color_of as color_of
from .registry import get as get
from .registry import label_of as label_of
from .registry import names as names
from .registry import options_of as options_of
from .registry import register as register
from .registry import summary_of as summary_of

for _file in iter_modules(__path__):
    import_module(f"{__name__}.{_file.name}")
