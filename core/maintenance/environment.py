"""The environment check: Python, libraries, tools and extras, and the machine below them."""

import platform
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from core.installed_packages import installed_version
from core.maintenance.environment_item import EnvironmentItem
from core.maintenance.library_versions import examine_libraries
from core.maintenance.machine import examine_machine
from core.system_libraries import LIBRARIES, cure_for, is_loadable

OLDEST_PYTHON = (3, 11)
OLDEST_SQLITE = (3, 24, 0)  # the first with ON CONFLICT DO UPDATE, which the telemetry uses
_SQLITE_FIXED = (3, 51, 3)
_SQLITE_FIXES = {(3, 50): (3, 50, 7), (3, 44): (3, 44, 6)}  # of older lines

_LEARNERS = {"scikit-learn": "sklearn", "lightgbm": "lightgbm"}
_TOOLS = {
    "tmux": "keeps a session alive when your SSH line breaks",
    "git": "notes the commit of your code with each run",
}
_EXTRAS = {  # of pyproject.toml, but for those of developers
    "dask": ("dask", "distributed"),
    "fsspec": ("fsspec",),
    "mlflow": ("mlflow",),
    "oidc": ("joserfc",),
    "onnx": ("onnx", "onnxruntime"),
    "otel": ("opentelemetry.proto",),
    "pdf": ("typst",),
    "saved-model": ("onnx", "onnxruntime", "tensorflow"),
    "text": ("torch", "safetensors"),
    "tf-serving": ("grpc", "google.protobuf"),
    "tuning": ("optuna",),
    "xgboost": ("xgboost",),
}


def examine_environment(workspace: Path | None = None) -> list[EnvironmentItem]:
    """Check all required and optional components, and the machine.

    The learners are imported, since only an import proves that they load; this takes a second or two.

    Args:
        workspace: The folder of the workspace, existing or not, whose file system is checked; None checks none.
    """
    components = [_python(), _sqlite(), *_libraries(), *_learners(), *examine_libraries(), *_tools(), *_extras()]
    return [*components, *examine_machine(workspace)]


def _python() -> EnvironmentItem:
    return _needed(
        "Python",
        is_present=sys.version_info >= OLDEST_PYTHON,
        found=platform.python_version(),
        cure=f"install Python {_dotted(OLDEST_PYTHON)} or newer, then run make PYTHON=/path/to/python",
    )


def _sqlite() -> EnvironmentItem:
    return _needed(
        "SQLite",
        is_present=sqlite3.sqlite_version_info >= OLDEST_SQLITE,
        found=sqlite3.sqlite_version,
        purpose=sqlite_warning(sqlite3.sqlite_version_info),
        cure=f"use a Python that comes with SQLite {_dotted(OLDEST_SQLITE)} or newer",
    )


def sqlite_warning(version: tuple[int, ...]) -> str:
    """Say what a version of SQLite means for stores that several connections write; empty if it is sound.

    Source: https://sqlite.org/wal.html, "The WAL-Reset Bug"

    >>> sqlite_warning((3, 51, 3)), sqlite_warning((3, 50, 7)), sqlite_warning((3, 44, 6))
    ('', '', '')
    """
    fixed_in = _SQLITE_FIXES.get((version[0], version[1]), _SQLITE_FIXED)
    if version >= fixed_in:
        return ""
    return (
        f"before {_dotted(_SQLITE_FIXED)} two connections that write or checkpoint at once can corrupt a store; "
        "bondx lets one at a time, so its stores are safe; let other programs open telemetry/*.db read-only"
    )


def _libraries() -> Iterator[EnvironmentItem]:
    for library in LIBRARIES if sys.platform == "linux" else ():
        yield _needed(
            library.soname,
            is_present=is_loadable(library.soname),
            purpose=f"used by {library.used_by}",
            cure=library.cure,
        )


def _learners() -> Iterator[EnvironmentItem]:
    for name, module in _LEARNERS.items():
        try:
            import_module(module)
        except (ImportError, OSError) as error:
            problem = " ".join(str(error).split())
            yield _needed(name, is_present=False, found=problem, cure=_learner_cure(name, problem))
        else:
            yield _needed(name, is_present=True, found=installed_version(name) or "")


def _learner_cure(name: str, problem: str) -> str:
    return f"pip install {name}" if problem.startswith("No module named") else cure_for(problem)


def _tools() -> Iterator[EnvironmentItem]:
    for name, purpose in _TOOLS.items():
        place = shutil.which(name)
        yield EnvironmentItem(
            name=name,
            is_present=place is not None,
            is_required=False,
            found=place or "",
            purpose=purpose,
            cure="" if place else f"install the package {name}",
        )


def _extras() -> Iterator[EnvironmentItem]:
    for name, modules in _EXTRAS.items():
        is_present = all(map(_is_installed, modules))
        yield EnvironmentItem(
            name=f"extra {name}",
            is_present=is_present,
            is_required=False,
            cure="" if is_present else f"pip install 'bondx-console[{name}]'",
        )


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even its parent package
        return False


def _needed(name: str, *, is_present: bool, cure: str = "", found: str = "", purpose: str = "") -> EnvironmentItem:
    return EnvironmentItem(
        name=name,
        is_present=is_present,
        is_required=True,
        found=found,
        purpose=purpose,
        cure="" if is_present else cure,
    )


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
