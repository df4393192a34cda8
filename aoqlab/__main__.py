"""The command ``aoqlab``, also ``python -m aoqlab``: it opens the laboratory, or says how to install it."""

import sys
from importlib import import_module


def main() -> int:
    """Run one command of the laboratory and return its exit status."""
    try:
        return int(import_module("aoqlab.lab.cli").main())
    except ModuleNotFoundError as error:
        if str(error.name).startswith("aoqlab"):
            raise  # no package that an installation could lack
        print(f'aoqlab: this needs {error.name}, which is not installed: pip install "aoqlab[lab]"', file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
