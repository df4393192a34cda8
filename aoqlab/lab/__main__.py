"""``python -m aoqlab.lab`` is the same as the command ``aoqlab``."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
