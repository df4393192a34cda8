"""Trainings over their epochs and layers, stored or running."""

from .explorer import Runs as Runs
from .explorer import runs as runs
from .training import Training as Training
from .training import training as training
