"""The command ``aoqlab``, also ``python -m aoqlab``: it opens the laboratory, or says how to install it."""

import sys


def main() -> int:
    """Run one command of the laboratory and return its exit status."""
    try:
        from aoqlab.lab.cli import main as run_command

        return run_command()
    except ModuleNotFoundError as error:
        if str(error.name).startswith("aoqlab"):
            raise  # no package that an installation could lack
        print(f'aoqlab: this needs {error.name}, which is not installed: pip install "aoqlab[lab]"', file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
