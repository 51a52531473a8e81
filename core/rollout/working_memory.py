"""The engine's working memory of a rollout: its sums by caller, in a file of its own beside its document.

The file holds all evidence up to its own cursor and is replaced as a whole, so an engine that follows a killed one
continues from the file, whatever the document says, and comes to the same evidence. Without a usable file everything
is collected again from the predictions, which is the same too as long as these are kept.
"""

import logging
import sys
from array import array
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import msgspec

from core.files import FileAccessError, digest, remove_file, write_file
from core.json_documents import decode_msgpack
from core.plain_files import read_file
from core.rollout.caller_sums import StoredSums
from core.rollout.collector import Collector
from core.rollout.difference_sums import StoredDifferences
from core.rollout.evidence import RolloutEvidence
from core.rollout.plan import GuardSource
from core.rollout.rollout import Rollout
from core.rollout.source import PredictionSource
from core.rollout.unjudged import LossOrigins
from core.state import Workspace
from core.telemetry.predictions import Cursor

log = logging.getLogger(__name__)

_VERSION = 3  # 2: sums of younger answers; 3: a digest of the content, largest values and numbers of callers
_DIGEST_SIZE = 64  # hexadecimal digits of SHA-256


class _Stored(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a file."""

    version: int
    rollout_id: str
    created_at: datetime  # of the rollout: after a restored backup another may have the same id
    cursor: Cursor
    evidence: RolloutEvidence
    sums: dict[str, StoredSums]  # where outcomes are awaited, of settled answers
    young: dict[str, dict[int, StoredSums]] = {}  # of younger answers, by cohort
    losses: LossOrigins
    differences: StoredDifferences | None = None
    failed_units: dict[str, bytes] | None = None  # by guard, 64 bits each; None: written by an earlier release


class Recalled(msgspec.Struct, frozen=True):
    """Where collecting continues."""

    cursor: Cursor
    collector: Collector
    problem: str = ""  # why everything is collected again


class WorkingMemory:
    """The files of a workspace's rollouts; only the engine writes them."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def recall(self, rollout: Rollout, source: PredictionSource) -> Recalled:
        """Continue from the file of a rollout, or from its beginning."""
        observed = rollout.observed
        stored, problem = None, ""
        try:
            stored = self._read(rollout)
            if stored is not None:
                collector = _collector(rollout, source, stored.cursor, stored)
                return Recalled(stored.cursor, collector)
            problem = "the file is missing"
        except (ValueError, OSError) as error:
            problem = str(error)
        begin = observed.begin_cursor or Cursor()
        is_new = observed.cursor in (None, begin) and observed.evidence == RolloutEvidence()
        return Recalled(begin, Collector(rollout.plan, RolloutEvidence()), "" if is_new else problem)

    def save(self, rollout: Rollout, cursor: Cursor, collector: Collector) -> None:
        """Replace the file of a rollout.

        Raises:
            FileAccessError: It could not be written; the earlier file stays.
        """
        content = _Stored(
            version=_VERSION,
            rollout_id=rollout.rollout_id,
            created_at=rollout.created_at,
            cursor=cursor,
            evidence=collector.evidence,
            sums=collector.stored,
            young=collector.young,
            losses=collector.losses,
            differences=collector.differences.stored if rollout.plan.is_paired else None,
            failed_units={name: _packed(units) for name, units in collector.failed_units.items()},
        )
        path = self._workspace.evidence_file(rollout.rollout_id)
        write_file(path, sealed(msgspec.msgpack.encode(content)), durable=False)

    def forget(self, rollout_id: str) -> None:
        """Remove the file of a rollout that has ended; a file that cannot be removed is only a waste of room."""
        try:
            remove_file(self._workspace.evidence_file(rollout_id))
        except FileAccessError as error:
            log.warning("could not remove the working memory of %s: %s", rollout_id, error)

    def _read(self, rollout: Rollout) -> _Stored | None:
        path = self._workspace.evidence_file(rollout.rollout_id)
        try:
            content = read_file(path)
        except FileNotFoundError:
            return None
        stored = read_evidence(content, path)
        if (stored.rollout_id, stored.created_at) != (rollout.rollout_id, rollout.created_at):
            raise ValueError(f"{path.name} is of another rollout")
        return stored


def sealed(content: bytes) -> bytes:
    """Put the digest of a content, which holds the rollout's id, before it."""
    return digest(content).encode() + content


def read_evidence(file: bytes, path: Path) -> _Stored:
    """Decode a file.

    Raises:
        ValueError: It is damaged, altered, or of another version.
    """
    content = file[_DIGEST_SIZE:]
    if file[:_DIGEST_SIZE] != digest(content).encode():
        if (version := _version_without_digest(file)) is not None:
            raise ValueError(f"{path.name} is of version {version}, and {_VERSION} is needed")
        raise ValueError(f"{path.name} is damaged (its content does not match its digest)")
    try:
        stored = decode_msgpack(content, _Stored)
    except (msgspec.DecodeError, ValueError) as error:
        raise ValueError(f"{path.name} is damaged ({error})") from error
    if stored.version != _VERSION:
        raise ValueError(f"{path.name} is of version {stored.version}, and {_VERSION} is needed")
    return stored


def _version_without_digest(file: bytes) -> int | None:
    """Return the version of a file of an earlier release; None if it is none."""
    try:
        found = msgspec.msgpack.decode(file)
    except (msgspec.DecodeError, ValueError):
        return None
    version = found.get("version") if isinstance(found, dict) else None
    return version if isinstance(version, int) and version < _VERSION else None


def _packed(units: set[int]) -> bytes:
    numbers = array("q", units)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def _unpacked(packed: bytes) -> set[int]:
    """Read what `_packed` wrote.

    Raises:
        ValueError: It is no list of 64-bit numbers.
    """
    numbers = array("q")
    numbers.frombytes(packed)
    if sys.byteorder == "big":
        numbers.byteswap()
    return set(numbers)


def _collector(rollout: Rollout, source: PredictionSource, cursor: Cursor, stored: _Stored) -> Collector:
    failed_units = (
        _looked_up(rollout, source, cursor)
        if stored.failed_units is None
        else {name: _unpacked(packed) for name, packed in stored.failed_units.items()}
    )
    return Collector(
        rollout.plan, stored.evidence, failed_units, stored.sums, stored.losses, stored.differences, stored.young
    )


def _looked_up(rollout: Rollout, source: PredictionSource, cursor: Cursor) -> Mapping[str, set[int]]:
    """Find the failed callers in the predictions themselves, of which there may be ten million: seconds, once."""
    return {
        guard.name: source.failed_units(rollout.rollout_id, cursor, over_ms=guard.limit)
        for guard in rollout.plan.guards
        if guard.source in (GuardSource.ERRORS, GuardSource.SLOW)
    }
