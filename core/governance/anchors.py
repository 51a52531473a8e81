"""Positions of the log that are kept outside the workspace.

An account that can write the whole workspace can also replace its log, its head and its keys. A position kept
elsewhere, on paper or on another machine, reveals it.
"""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import msgspec

from core.errors import UsageError
from core.files import append_line
from core.json_documents import decode_json
from core.output_files import require_output
from core.plain_files import open_plain

MAX_BYTES = 64 << 20


class Anchor(msgspec.Struct, frozen=True, kw_only=True):
    """One position of the log: the record and its hash."""

    at: datetime
    workspace: str
    sequence: int
    hash: str


def spelled_anchor(anchor: Anchor) -> str:
    """Return an anchor as one line of JSON."""
    return msgspec.json.encode(anchor).decode()


def read_anchors(file: Path) -> list[Anchor]:
    """Read a file of anchors, one a line; empty lines are left out.

    Raises:
        UsageError: The file cannot be read, holds none, or a line is not an anchor; the message names the line.
    """
    try:
        with open_plain(file) as opened:
            content = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror or error}.") from None
    if len(content) > MAX_BYTES:
        raise UsageError(f"{file} has more than {MAX_BYTES >> 20} MiB; a file of anchors is smaller.")
    anchors = list(_anchors(file, content.splitlines()))
    if not anchors:
        raise UsageError(f"{file} holds no anchor; `bondx audit anchor --to {file}` appends one.")
    return anchors


def _anchors(file: Path, lines: Iterable[bytes]) -> Iterable[Anchor]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield decode_json(line, Anchor)
        except msgspec.DecodeError as error:
            raise UsageError(
                f"{file}, line {number}, is not an anchor of the audit log: {error}. If an interrupted write cut it "
                "short, remove the line."
            ) from None


def append_anchor(file: Path, anchor: Anchor) -> None:
    """Append an anchor to a file, durably.

    Raises:
        UsageError: The file cannot be written, or has content that is not anchors.
        RefusedError: It is in a workspace: whoever can edit the log there could edit the anchors, too.
    """
    require_output(file, option="--to", follows=True)
    try:
        if file.is_file() and file.stat().st_size:
            _require_anchors(file)
        append_line(file, spelled_anchor(anchor))
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror or error}.") from None


def _require_anchors(file: Path) -> None:
    """Refuse a file of something else, to which a mistyped name would add a line.

    Raises:
        OSError: The file cannot be read.
        UsageError: No line of it is an anchor, nor is it a first line that an interrupted write cut short.
    """
    with open_plain(file) as opened:
        content = opened.read(MAX_BYTES)
    is_torn = content.startswith(b"{") and b"\n" not in content
    if not is_torn and not any(map(_is_anchor, content.splitlines())):
        raise UsageError(f"{file} has content, and no line of it is an anchor; name a new file, or a file of anchors.")


def _is_anchor(line: bytes) -> bool:
    try:
        decode_json(line, Anchor)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True
