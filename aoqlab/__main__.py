"""``python -m aoqlab`` is the same as the command ``aoqlab``."""

import sys

from aoqlab.cli import main

if __name__ == "__main__":
    sys.exit(main())
