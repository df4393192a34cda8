"""Oscillation trackers: they take integer codes, never quantizers, so that any method can be studied with them."""

from .counting import STATISTICS as STATISTICS
from .oscillation import OscillationTracker as OscillationTracker
from .oscillation import bytes_per_weight as bytes_per_weight
