"""The command line of a child process that runs one of our modules."""

import sys
from pathlib import Path

_OWN_PACKAGES = Path(__file__).parents[1] / "bondx" / "own_packages.py"


def module_command(module: str, *arguments: object) -> list[str]:
    """Return the command that runs a module of ours, whatever the working directory and the path hold under its name.

    Args:
        module: The module, by its full name.
        arguments: Its arguments.
    """
    return [sys.executable, "-P", str(_OWN_PACKAGES), module, *map(str, arguments)]
