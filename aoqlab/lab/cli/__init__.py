"""The commands: ``aoqlab`` and ``python -m aoqlab``, which ``bash run.sh`` calls."""

from .commands import main as main
