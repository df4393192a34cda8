"""Walks over the two-dimensional landscape."""

from .explorer import Landscape as Landscape
from .explorer import landscape as landscape
