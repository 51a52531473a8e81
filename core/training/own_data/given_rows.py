"""Rows that come with a request instead of a file: checked and estimated exactly as the same rows in a file."""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from core.errors import NotFoundError, UsageError
from core.files import digest
from core.settings.policy import DriftPolicy
from core.state import Workspace
from core.tables.errors import TableError
from core.training.own_data.drift import VersionDrift, check_version
from core.training.own_data.estimation import VersionEstimate, estimate_on_file

MOST_ROWS = 100_000


def check_rows(
    workspace: Workspace,
    model: str,
    rows: Sequence[Mapping[str, Any]],
    rules: DriftPolicy,
    *,
    version: str | None = None,
) -> VersionDrift:
    """Check rows against the profile of a version, as `check_version` checks a file.

    Args:
        workspace: Where the version is registered.
        model: Its model.
        rows: The rows; a column that a row lacks is an empty cell.
        rules: The PSI that matters, by kind.
        version: Its number; by default the live version, else the newest.
    Raises:
        NotFoundError: There is no such model or version.
        UsageError: The rows cannot be used, or the version has no profile.
        HashMismatchError: The version's files differ from the registered files.
    """
    with rows_as_file(rows) as file:
        found = check_version(workspace, model, file, rules, version=version)
    return msgspec.structs.replace(found, data_sha256="")


def estimate_on_rows(
    workspace: Workspace, model: str, rows: Sequence[Mapping[str, Any]], *, version: str | None = None
) -> VersionEstimate:
    """Estimate how well a version does on rows, as `estimate_on_file` does on a file.

    Args:
        workspace: Where the version is registered.
        model: Its model.
        rows: The rows; a column that a row lacks is an empty cell.
        version: Its number; by default the live version, else the newest.
    Raises:
        NotFoundError: There is no such model or version.
        UsageError: The rows cannot be used or are too few, or the version has neither held-out rows nor a profile.
        HashMismatchError: The version's files differ from the registered files.
    """
    with rows_as_file(rows) as file:
        found = estimate_on_file(workspace, model, file, version=version)
    return msgspec.structs.replace(found, data_sha256="")


@contextmanager
def named(file: Path, name: str) -> Iterator[None]:
    """Let refusals of a file that the caller never saw name what he gave instead.

    Raises:
        NotFoundError: That of the block, with the name in place of the path.
        UsageError: The same.
    """
    try:
        yield
    except UsageError as error:
        if str(file) not in str(error):
            raise
        kind = NotFoundError if isinstance(error, NotFoundError) else UsageError
        raise kind(str(error).replace(str(file), name)) from error


@contextmanager
def rows_as_file(rows: Sequence[Mapping[str, Any]]) -> Iterator[Path]:
    """Write rows to a file for as long as the block lasts; its refusals name the rows."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.jsonl"
        file.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
        with named(file, "rows"), _without_options():
            yield file


@contextmanager
def _without_options() -> Iterator[None]:
    """Let refusals of rows name no option of a command: rows have none, and are read as the training data was."""
    try:
        yield
    except TableError as error:
        if " --" not in error.cure:
            raise
        raise error.with_cure("Correct the value, or give null for an empty cell.") from error


def sha256_of_rows(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the SHA-256 of rows as canonical JSON lines, which another program can compute from the request.

    A row is a line: its keys sorted, without blanks, in UTF-8 with letters as they are, numbers as Python writes them,
    and a line feed at its end.

    >>> sha256_of_rows([{"size": 1.0, "grade": "Ä"}]) == digest('{"grade":"Ä","size":1.0}\\n'.encode())
    True
    """
    lines = (json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n" for row in rows)
    return digest("".join(lines).encode())
