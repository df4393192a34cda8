"""Units that many statistics share."""

RATE = "per weight and 1000 steps"
VOLUME = "share of volume"
ERROR = "error"
"""Stands for the unit of the error on the data at hand: mean squared error, or points of test error."""
