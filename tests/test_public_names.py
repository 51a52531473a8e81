"""A public class or alias has one owner in the tree: whoever reads its name knows which one is meant."""

import ast
import importlib
import re
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TREES = ("bondx", "console", "core", "themes", "widgets")
ALIAS = re.compile(r"[A-Z][A-Za-z0-9]*[a-z][A-Za-z0-9]*")  # CamelCase; constants are spelled in capitals

# The face for MLOps users has the names that they know, and `core.api` those of the same things before it.
SAME_THING_TWICE = {"CanaryDeploymentManager", "ExperimentTracker", "ModelRegistry"}


@pytest.mark.parametrize("package", ["bondx", "bondx.mlops", "bondx.ml"])
def test_a_notebook_completes_the_names_of_a_face(package):
    face = importlib.import_module(package)
    assert set(dir(face)) >= {*face.__all__, "__name__"}
    assert all(getattr(face, name) is not None for name in face.__all__)


def names_of(file: Path) -> list[str]:
    """Return the classes and aliases that a module defines for others."""
    names = []
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            names.append(node.name)
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        names += [it.id for it in targets if isinstance(it, ast.Name) and ALIAS.fullmatch(it.id)]
    return [name for name in names if not name.startswith("_")]


def test_a_public_class_or_alias_has_one_owner():
    owners = defaultdict(list)
    for file in sorted(path for tree in TREES for path in (ROOT / tree).rglob("*.py")):
        for name in names_of(file):
            owners[name].append(file.relative_to(ROOT).as_posix())
    shared = {name: files for name, files in owners.items() if len(files) > 1 and name not in SAME_THING_TWICE}
    assert shared == {}
