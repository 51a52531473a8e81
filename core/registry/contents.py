"""The files of an artifact that describe it: report, signature, environment."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from core.json_documents import TOO_DEEP, decode_json
from core.settings.sealing import read_content

MODEL_NAME = "model.json"  # the header that `core.models.persistence.archive` writes
NO_MODEL = f"its files hold no {MODEL_NAME}, so this program cannot serve it"
ANSWERED = "it was loaded and answered rows of its own signature"
WROTE = "it was loaded and wrote a text"
NOT_CHECKED = "not checked"
REPORT_NAME = "report.json"
SIGNATURE_NAME = "signature.json"
ENVIRONMENT_NAME = "environment.json"
_PROMPT_DOCUMENTS = "n_prompt_documents"


def is_own_header(path: Path) -> bool:
    """Return whether a `model.json` was written by this program, of whatever release."""
    return {"format", "files"} <= read_object(path).keys()


def onnx_files(folder: Path) -> list[Path]:
    """Return the ONNX files in a folder of an artifact."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() == ".onnx")


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object; empty if the file is missing or holds something else."""
    try:
        return parsed_object(read_content(path))
    except OSError:
        return {}


def unopened_file(folder: Path, names: Iterable[str]) -> str:
    """Name the first of some files that is there and cannot be opened, such as without its key; empty without one."""
    for name in names:
        try:
            read_content(folder / name)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            return name
    return ""


def parsed_object(content: bytes) -> dict[str, Any]:
    """Parse a JSON object; empty if the bytes hold something else."""
    try:
        found = decode_json(content)
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def unreadable_file(folder: Path) -> str:
    """Name a describing file of an artifact that no reader can read, and say why; empty if there is none.

    A `model.json` of another program may be anything, but not a document that ends whoever looks at it.
    """
    for name in (MODEL_NAME, REPORT_NAME, SIGNATURE_NAME, ENVIRONMENT_NAME):
        try:
            decode_json(read_content(folder / name))
        except OSError:
            continue
        except msgspec.DecodeError as error:
            if str(error) == TOO_DEEP:
                return f"{name} cannot be read: {error}"
    return ""


def importances(report: dict[str, Any]) -> dict[str, Any]:
    """Return the feature importances of a report, by feature."""
    found = report.get("feature_importance", report.get("importances"))
    return found if isinstance(found, dict) else {}


def importance_shares(report: dict[str, Any]) -> dict[str, float]:
    """Return the importances that are numbers.

    >>> importance_shares({"importances": {"size": 1, "age": None}})
    {'size': 1.0}
    """
    return {str(name): float(share) for name, share in importances(report).items() if isinstance(share, int | float)}


def sliced_by(report: dict[str, Any]) -> dict[str, str]:
    """Return the column that each slicing of a report is made of, by the name of the slicing.

    >>> sliced_by({"sliced_by": {"maturity": "maturity_years"}}), sliced_by({"sliced_by": 3})
    ({'maturity': 'maturity_years'}, {})
    """
    found = report.get("sliced_by")
    return {str(name): str(column) for name, column in found.items()} if isinstance(found, dict) else {}


def with_prompt_documents(n: int) -> dict[str, Any]:
    """Return what the report of a model of language says of the documents that its prompts are compared with."""
    return {_PROMPT_DOCUMENTS: n}


def prompt_documents(report: dict[str, Any]) -> int:
    """Return how many held-out documents the prompts of a version are compared with; 0 of any other version.

    >>> prompt_documents(with_prompt_documents(400)), prompt_documents({})
    (400, 0)
    """
    n = report.get(_PROMPT_DOCUMENTS)
    return n if isinstance(n, int) and n > 0 else 0
