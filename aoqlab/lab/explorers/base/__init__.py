"""What all explorers share: controls and state, a picture drawn in the browser, questions to the kernel, export."""

from .controls import Check as Check
from .controls import Control as Control
from .controls import Menu as Menu
from .controls import Slider as Slider
from .controls import packed as packed
from .explorer import Explorer as Explorer
