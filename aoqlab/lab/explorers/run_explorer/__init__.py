"""Trainings over their epochs and layers, stored or running."""

from .explorer import Runs as Runs
from .explorer import runs as runs
from .live_training import Training as Training
from .live_training import training as training
