"""No two modules import each other, directly or through others: each can be read and changed without the other."""

import graphlib
import tomllib
from pathlib import Path

import grimp

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"


def test_no_modules_import_each_other_in_a_circle():
    packages = tomllib.loads(PYPROJECT.read_text())["tool"]["importlinter"]["root_packages"]
    graph = grimp.build_graph(*packages, cache_dir=None)  # imports in functions and under TYPE_CHECKING included
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    graphlib.TopologicalSorter(imports).prepare()  # its CycleError names the modules of a circle
