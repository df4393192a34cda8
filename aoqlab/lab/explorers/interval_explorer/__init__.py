"""Thresholds and levels of a quantizer over the weights of a layer."""

from .explorer import Intervals as Intervals
from .explorer import intervals as intervals
