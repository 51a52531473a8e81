"""Where a training ran: interpreter, machine, packages, and the state of the code in git."""

import platform
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from core.installed_packages import DISTRIBUTION, installed_version, required

_GIT_SECONDS = 2.0

# The packages whose version can change a model's answers; a terminal library cannot.
_BEARING = frozenset(
    {
        *("numpy", "scipy", "pandas", "pyarrow", "scikit-learn", "lightgbm", "xgboost", "catboost", "skops"),
        *("torch", "tokenizers", "tensorflow", "onnx", "onnxruntime", "statsmodels"),
    }
)
_installed = cache(installed_version)


@cache
def software() -> dict[str, Any]:
    """Describe the software that decides the bytes of a model: equal on every machine with the same setup.

    Returns:
        `python`, `implementation`, `system`, `machine`, `packages`: the versions of the required packages, and
        `optional_packages`: those of the installed packages of extras that a model may have been trained with.
    """
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": platform.system(),
        "machine": platform.machine(),
        "packages": (packages := _required_packages()),
        "optional_packages": _installed_versions(_BEARING - packages.keys()),
    }


def environment() -> dict[str, Any]:
    """Describe the software and the machine it runs on."""
    return {**software(), "platform": platform.platform(), "host": platform.node()}


def differences(environment: Mapping[str, Any]) -> tuple[str, ...]:
    """Return one clause per difference between this process and the environment of a version.

    >>> differences({"packages": {"numpy": "0.1"}})[0].startswith("numpy 0.1, here ")
    True
    """
    here = software()
    found = []
    python = str(environment.get("python", ""))
    if python and _minor(python) != _minor(here["python"]):
        found.append(f"Python {python}, here {here['python']}")
    if (machine := environment.get("machine")) and machine != here["machine"]:
        found.append(f"machine {machine}, here {here['machine']}")
    packages = environment.get("packages", {})
    for name, version in sorted(packages.items()) if isinstance(packages, dict) else ():
        if name.lower() in _BEARING and (installed := _installed(name)) != version:
            found.append(f"{name} {version}, here {installed or 'not installed'}")
    return tuple(found)


def git_state(folder: Path) -> dict[str, Any] | None:
    """Describe the git checkout a folder lies in.

    Returns:
        `commit`, `branch` (None when detached) and `dirty`; None if there is no checkout, no commit yet, or no git.
    """
    commit = _git(folder, "rev-parse", "HEAD")
    if not commit:
        return None
    status = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {
        "commit": commit,
        "branch": _git(folder, "symbolic-ref", "--quiet", "--short", "HEAD") or None,
        "dirty": None if status is None else bool(status),
    }


def _git(folder: Path, *arguments: str) -> str | None:
    # A checkout may configure a program to run at every status; a folder must not decide what is executed.
    import subprocess

    command = ["git", "-c", "core.fsmonitor=false", "--no-optional-locks", "-C", str(folder), *arguments]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


def _required_packages() -> dict[str, str]:
    return _installed_versions({DISTRIBUTION, *(each.name for each in required())})


def _installed_versions(names: Collection[str]) -> dict[str, str]:
    versions = {name: installed_version(name) for name in names}
    return {name: version for name, version in sorted(versions.items()) if version is not None}


def _minor(python: str) -> str:
    return ".".join(python.split(".")[:2])
