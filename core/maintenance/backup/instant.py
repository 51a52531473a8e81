"""One instant of a running workspace: what changes in place or is replaced is opened while nobody can change it.

All locks of the state files and of the audit log are held together for the milliseconds in which files are opened and
each SQLite store begins to read. What was opened then stays what it was: a state file is replaced and never changed,
the audit log only grows, and a reader of SQLite sees the store as it was when it began. So the copy is what a power cut
at that instant would have left, across all stores; an engine that starts on it recovers as after one.
"""

import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from core.clock import Clock
from core.files import UNFINISHED, FileAccessError, access_error
from core.governance.chain import GENESIS
from core.governance.head import DATABASE as AUDIT
from core.governance.head import HeadStore
from core.governance.journal import Journal
from core.governance.ledgers import LedgerFiles
from core.lock_files import locked_within, open_lock, unlock
from core.maintenance.state_files import archive_files, state_files
from core.plain_files import open_regular
from core.registry.documents import MadeProfile, ModelVersion
from core.registry.records import Records
from core.state.fair_lock import FairLock
from core.state.workspace import Workspace
from core.telemetry.errors import translated
from core.telemetry.schema import connect_to_read

_SQLITE = b"SQLite format 3\0"
_ATTEMPTS = 100
_PATIENCE_SECONDS = 0.05
_PAUSE_SECONDS = 0.001
_COMPANIONS = ("-wal", "-shm", "-journal")
_NOT_OF_THE_WORKSPACE = (".lock", ".queue", ".lease", ".link", UNFINISHED)


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """A file as it is at the instant."""

    path: str  # relative to the workspace
    stream: BinaryIO
    size: int  # bytes after it came later


@dataclass(frozen=True, slots=True)
class OpenedStore:
    """A SQLite store with a reader that began at the instant."""

    path: str
    connection: sqlite3.Connection


@dataclass(frozen=True, slots=True)
class WorkspaceInstant:
    """A workspace at one instant."""

    at: datetime
    files: Sequence[OpenedFile]
    ledgers: Mapping[str, int]  # files that only grow, and how far they had come
    stores: Sequence[OpenedStore]
    versions: Sequence[ModelVersion]
    made_profiles: Sequence[MadeProfile]
    audit_sequence: int
    audit_hash: str
    held_seconds: float  # how long changes had to wait


@contextmanager
def instant_of(workspace: Workspace, clock: Clock) -> Iterator[WorkspaceInstant]:
    """Open a workspace at one instant, and close it with the context; the workspace works on meanwhile.

    Raises:
        LockHeldError: A file stayed locked; the message names the holder.
        FileAccessError: A file cannot be read, or is a link.
        TelemetryError: A store cannot be read.
        StateError: The registry or the audit head cannot be read.
    """
    records, heads = Records(workspace), HeadStore(workspace)
    records.versions.all()  # parsed before anybody waits
    with ExitStack() as opened:
        connections = [
            (path, opened.enter_context(_closing(connect_to_read(workspace.root / path))))
            for path in _stores(workspace)
        ]
        with _held(workspace):
            at, begun = clock(), time.monotonic()
            files = [
                OpenedFile(path, opened.enter_context(stream), os.fstat(stream.fileno()).st_size)
                for path, stream in _opened(workspace)
            ]
            for path, connection in connections:
                with translated(workspace.root / path):
                    connection.execute("BEGIN")
                    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # the reader begins here
            ledgers = _ledgers(workspace)
            versions, head, made_profiles = records.versions.all(), heads.load(), records.made_profiles.all()
            held_seconds = time.monotonic() - begun
        yield WorkspaceInstant(
            at=at,
            files=files,
            ledgers=ledgers,
            stores=[OpenedStore(path, connection) for path, connection in connections],
            versions=versions,
            made_profiles=made_profiles,
            audit_sequence=head.sequence if head else 0,
            audit_hash=head.hash if head else GENESIS,
            held_seconds=held_seconds,
        )


@contextmanager
def _held(workspace: Workspace) -> Iterator[None]:
    """Hold the audit log and every state file; whoever changes one holds one alone, so nobody waits in a circle.

    Nobody is kept waiting for somebody else: if one file stays locked, all others are let go, and that one is waited
    for alone.

    Raises:
        LockHeldError: A file stayed locked; the message names the holder.
        FileAccessError: A lock cannot be opened, or there was no instant in which all files were free.
    """
    journal = Journal(workspace.audit_file)
    # The log's own file is written by whoever holds the log. A file without a lock was never written.
    files = [file for file in state_files(workspace) if file.stem != AUDIT and FairLock(file).lock.exists()]
    for _ in range(_ATTEMPTS):
        with ExitStack() as locks:
            locks.enter_context(journal.locked(shared=True))
            blocked = next((file for file in files if not _is_held_at_once(file, locks)), None)
            if blocked is None:
                yield
                return
        try:
            with FairLock(blocked).held():
                pass
        except OSError as error:
            raise access_error(blocked, "lock", error) from error
    raise FileAccessError(workspace.state_dir, "lock", f"its files were never free together in {_ATTEMPTS} attempts")


def _is_held_at_once(file: Path, locks: ExitStack) -> bool:
    """Lock a state file if it is free now or within some milliseconds, as changes hold it."""
    lock = FairLock(file).lock
    try:
        descriptor = open_lock(lock)
    except OSError as error:
        raise access_error(lock, "open", error) from error
    if not locked_within(descriptor, _PATIENCE_SECONDS, pause_seconds=_PAUSE_SECONDS):
        os.close(descriptor)
        return False
    locks.callback(unlock, descriptor)
    return True


def _opened(workspace: Workspace) -> Iterator[tuple[str, BinaryIO]]:
    """Open the state files with their archives, the audit log with its ledgers, and the files at the top."""
    root = workspace.root
    damaged = sorted(workspace.state_dir.glob("*.damaged-*"))
    state = [*state_files(workspace), *(file for file in archive_files(workspace) if file.exists()), *damaged]
    audit = [file for file in sorted(workspace.audit_dir.iterdir()) if _is_kept(file)]
    top = [file for file in sorted(root.iterdir()) if _is_kept(file)]
    for file in (*state, *audit, *top):
        if file.is_dir():
            continue
        try:
            yield file.relative_to(root).as_posix(), open_regular(file)
        except OSError as error:
            raise access_error(file, "read", error) from error


def _ledgers(workspace: Workspace) -> dict[str, int]:
    """Measure the ledgers of all sessions: there may be more of them than a process may open."""
    files = LedgerFiles(workspace.audit_dir)
    return {
        files.journal(session).file.relative_to(workspace.root).as_posix(): size
        for session, size in files.sizes().items()
        if size > 0
    }


def _is_kept(file: Path) -> bool:
    return file.is_file() and not file.is_symlink() and not file.name.endswith(_NOT_OF_THE_WORKSPACE)


def _stores(workspace: Workspace) -> list[str]:
    """Find the SQLite stores, by what they begin with."""
    folder = workspace.telemetry_file.parent
    return [
        file.relative_to(workspace.root).as_posix()
        for file in sorted(folder.iterdir())
        if _is_kept(file) and not file.name.endswith(_COMPANIONS) and is_store(file)
    ]


def is_store(file: Path) -> bool:
    """Say whether a file is a SQLite store."""
    try:
        with open_regular(file) as stream:
            return stream.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return False  # removed meanwhile: the counts of a rollout that ended


def is_companion(name: str) -> bool:
    """Say whether a file of the telemetry goes with a SQLite store, whose copy is whole without it."""
    return name.endswith((*_COMPANIONS, ".lock"))


@contextmanager
def _closing(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    try:
        yield connection
    finally:
        connection.close()
