"""The commands and their children import the packages of BondX, whatever else of the same name is in reach.

`core`, `console`, `themes` and `widgets` are ordinary words: a `core.py` in a folder of `PYTHONPATH`, or in the folder
in which `python -m` starts, would be imported instead. Programs that import `bondx` keep the order of their own path,
and are told what hides a package of BondX.

An interrupt while a module is imported prints a traceback, unless somebody takes it. So nothing is imported before
`_command` does, except what the interpreter has loaded already.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from typing import Any

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


def offered(module: str, name: str) -> "Any":
    """Return a name of the public API from the module that has it.

    Raises:
        ImportError: The module cannot be imported; if a module of the program hides a package of BondX, the message
            names it.
    """
    from importlib import import_module

    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError):
        if clash := _hidden_package():
            raise ImportError(clash) from None
        raise


def _hidden_package() -> str:
    """Say which package of BondX another module of its name hides; empty if none does."""
    from importlib.machinery import PathFinder

    for name in sorted(NAMES):
        # The module may be gone: one that raised while it was imported leaves none behind.
        spec = getattr(sys.modules.get(name), "__spec__", None) or PathFinder.find_spec(name)
        if spec is None:
            continue
        folders = [*(spec.submodule_search_locations or ())]
        place = folders[0] if folders else spec.origin
        if place is not None and os.path.realpath(place) != os.path.realpath(os.path.join(ROOT, name)):
            return f"{place} hides the package {name} of BondX: rename it, or run your program from another folder."
    return ""


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
