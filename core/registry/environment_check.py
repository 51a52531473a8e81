"""Whether a version runs where it was made: its recorded packages against those that are installed here."""

from collections.abc import Mapping
from functools import cache
from importlib import metadata
from typing import Any

from core.tracking.environment import software

# Those whose version can change what a model answers; a new terminal library cannot.
BEARING = frozenset(
    {
        *("numpy", "scipy", "pandas", "pyarrow", "scikit-learn", "lightgbm", "xgboost", "catboost", "skops"),
        *("torch", "tokenizers", "tensorflow", "onnx", "onnxruntime", "statsmodels"),
    }
)


def warnings(environment: Mapping[str, Any]) -> tuple[str, ...]:
    """Say, a clause each, in what this process differs from where a version was made.

    >>> warnings({"packages": {"numpy": "0.1"}})[0].startswith("numpy 0.1, here ")
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
        if name.lower() in BEARING and (installed := _installed(name)) != version:
            found.append(f"{name} {version}, here {installed or 'not installed'}")
    return tuple(found)


def _minor(python: str) -> str:
    return ".".join(python.split(".")[:2])


@cache
def _installed(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
