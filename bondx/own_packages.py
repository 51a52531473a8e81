"""The commands and their children import the packages of BondX, whatever else of the same name is in reach.

`core`, `console`, `themes` and `widgets` are ordinary words: a `core.py` in a folder of `PYTHONPATH`, or in the folder
in which `python -m` starts, would be imported instead. Programs that import `bondx` keep the order of their own path.

An interrupt while a module is imported prints a traceback, unless somebody takes it. So nothing is imported before
`_command` does, except what the interpreter has loaded already.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it; `core.errors` is not imported yet
NAMES = frozenset({"console", "core", "sample_configs", "themes", "widgets"})


class _Finder:
    """Finds these packages beside `bondx` alone; asked before every other finder."""

    @staticmethod
    def find_spec(name: str, path: "Sequence[str] | None" = None, target: object = None) -> "ModuleSpec | None":
        if name not in NAMES:
            return None
        from importlib.machinery import PathFinder

        return PathFinder.find_spec(name, [ROOT])


def prefer_own_packages() -> None:
    """Import the packages of BondX from where `bondx` is."""
    if _Finder not in sys.meta_path:
        sys.meta_path.insert(0, _Finder)  # a class with the method is a finder


def bondx() -> int:
    """Run the command `bondx`."""
    return _command("console.cli.main")


def bondx_mlops() -> int:
    """Run the command `bondx-mlops`."""
    return _command("console.mlops.cli")


def _command(module: str) -> int:
    try:
        from importlib import import_module

        prefer_own_packages()
        return int(import_module(module).main())
    except KeyboardInterrupt:  # while it is still imported; later the command itself takes it
        return INTERRUPTED


if __name__ == "__main__":  # a child: the module to run, and its arguments
    import runpy

    prefer_own_packages()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
