"""The study behind ``bash run.sh``: both toy problems and the digits network, findings with intervals, figures."""

from .run import main as main
from .run import toy as toy
