"""Images by name or folder, in batches that are a pure function of seed, epoch and place in the epoch."""

from .base import Dataset as Dataset
from .base import TestSplit as TestSplit
from .base import TrainSplit as TrainSplit
from .load import folder_of as folder_of
from .load import load as load
