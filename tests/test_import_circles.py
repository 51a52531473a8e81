"""No two modules import each other, by whatever detour: nobody has to know a second module to read the first."""

import graphlib
import tomllib
from pathlib import Path

import grimp

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"


def test_no_modules_import_each_other_in_a_circle():
    packages = tomllib.loads(PYPROJECT.read_text())["tool"]["importlinter"]["root_packages"]
    graph = grimp.build_graph(*packages, cache_dir=None)  # imports in functions and under TYPE_CHECKING included
    imports = {
        module: [each for each in graph.find_modules_directly_imported_by(module) if not within_console(module, each)]
        for module in graph.modules
    }
    graphlib.TopologicalSorter(imports).prepare()  # its CycleError names the modules of a circle


def within_console(importer: str, imported: str) -> bool:
    """The app and its screens still know each other."""
    return importer.startswith("console.") and imported.startswith("console.")
