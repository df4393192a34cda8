"""Trainings over their epochs and layers."""

from .explorer import Runs as Runs
from .explorer import runs as runs
