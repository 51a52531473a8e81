"""Packages with plug-ins, installed as pip would, for this process and for later child processes."""

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest


@contextlib.contextmanager
def installed(folder: Path, name: str, entry_points: Mapping[str, Mapping[str, str]]) -> Iterator[Path]:
    """Make the modules in a folder importable, with metadata that names their plug-ins.

    Args:
        folder: It holds the modules.
        name: The distribution.
        entry_points: `module:attribute` by name, by group.
    """
    metadata = folder / f"{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [line for group, points in entry_points.items() for line in (f"[{group}]", *_lines(points))]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH")))))
        importlib.invalidate_caches()
        yield folder
    for module in folder.glob("*.py"):
        sys.modules.pop(module.stem, None)


def _lines(points: Mapping[str, str]) -> list[str]:
    return [f"{name} = {place}" for name, place in points.items()]
