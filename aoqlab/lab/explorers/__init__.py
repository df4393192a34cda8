"""Explorers: controls and pictures in one, drawn in the browser; each works in exported HTML without a kernel.

``intervals``: thresholds and levels of a quantizer over the weights of a layer, a network, a run or a checkpoint.
``toy``: any setting of the toy regression's surface, stored or run live. ``landscape``: walks over the 2-D landscape
from any start. ``runs``: one training, or two side by side, over their epochs and layers.
"""

from ..shared.notebooks import export_html as export_html
from .base import Check as Check
from .base import Explorer as Explorer
from .base import Menu as Menu
from .base import Slider as Slider
from .interval_explorer import Intervals as Intervals
from .interval_explorer import intervals as intervals
from .landscape_explorer import Landscape as Landscape
from .landscape_explorer import landscape as landscape
from .run_explorer import Runs as Runs
from .run_explorer import Training as Training
from .run_explorer import runs as runs
from .run_explorer import training as training
from .toy_explorer import Toy as Toy
from .toy_explorer import toy as toy
