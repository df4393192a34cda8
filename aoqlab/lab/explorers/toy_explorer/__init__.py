"""Settings and runs of the toy regression."""

from .explorer import Toy as Toy
from .explorer import toy as toy
