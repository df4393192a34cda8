"""Quantization-aware training of real networks: settings in, a folder of results out."""

from .config import TrainConfig as TrainConfig
from .config import recipe as recipe
from .run import Result as Result
from .run import resume as resume
from .run import start_of as start_of
from .run import train as train
