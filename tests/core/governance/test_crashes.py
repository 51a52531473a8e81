"""Processes that are killed while they drain, and several that drain at once."""

import multiprocessing
import secrets
from collections import Counter
from itertools import count

import msgspec
import pytest

from core.actor import Actor, Origin
from core.governance import AuditLog, audited
from core.governance.journal import Journal
from core.state import Workspace
from tests.processes import dies

ACTOR = Actor("ada", "desk", Origin.CONSOLE)
_forked = multiprocessing.get_context("fork")


class Note(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    revision: int = 0


class KilledError(BaseException):
    """Stands for SIGKILL at a chosen line."""


def kill_at(monkeypatch: pytest.MonkeyPatch, target: str, *, first: object = None) -> None:
    def killed(*args: object, **kwargs: object) -> None:
        if first is not None:
            first(*args, **kwargs)  # type: ignore[operator]
        raise KilledError

    monkeypatch.setattr(target, killed)


def append_half(journal: Journal, lines: bytes) -> None:
    with journal.file.open("ab") as file:
        file.write(lines[: len(lines) // 2])


at_any_point = pytest.mark.parametrize(
    ("target", "first"),
    [
        pytest.param("core.governance.journal.Journal.append", None, id="before the append"),
        pytest.param("core.governance.journal.Journal.append", append_half, id="in the middle of the append"),
        pytest.param("core.governance.journal.Journal.append", Journal.append, id="after the append"),
        pytest.param("core.governance.head.HeadStore.store", None, id="before the head is stored"),
    ],
)


@at_any_point
def test_a_drain_killed_at_any_point_neither_loses_nor_repeats_a_record(
    workspace, write_notes, monkeypatch, target, first
):
    write_notes(2)
    with monkeypatch.context() as patch:
        kill_at(patch, target, first=first)
        with pytest.raises(KilledError):
            write_notes(1)
    write_notes(1, database="sessions")  # another database goes on meanwhile
    write_notes(1)
    log = AuditLog(workspace)
    verdict = log.verify()
    assert verdict.ok, verdict.reason
    assert sorted(record.object for record in log.tail(99)) == ["note 1", "note 1", "note 2", "note 3", "note 4"]
    assert log.n_waiting() == 0


def write_one_to_each(workspace: Workspace) -> None:
    for database in ("registry", "sessions"):
        name = secrets.token_hex(8)  # not the process id, which the system gives again
        with audited(workspace, database, actor=ACTOR) as change:
            change.db.documents("notes", Note, key="name").insert(Note(name=name))
            change.record("note.write", name)


def notes_and_records(workspace: Workspace) -> tuple[Counter[str], Counter[str]]:
    notes = Counter(
        note.name
        for database in ("registry", "sessions")
        for note in workspace.database(database).documents("notes", Note, key="name").all()
    )
    records = AuditLog(workspace).tail(1 << 20)
    return notes, Counter(record.object for record in records if record.verb == "note.write")


@pytest.mark.crash
def test_writers_killed_at_every_point_leave_one_record_a_change_and_a_good_chain(workspace):
    for point in count(1):  # each finds what the one before has left, and has to cope with it
        if not dies(point, lambda: write_one_to_each(workspace)):
            break
    log = AuditLog(workspace)
    log.drain()
    verdict = log.verify()
    assert verdict.ok, verdict.reason
    notes, records = notes_and_records(workspace)
    assert notes
    assert notes == records


def test_concurrent_drains_write_each_record_once(workspace):
    writers = [_forked.Process(target=write_some, args=(workspace, worker, 40)) for worker in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    verdict = AuditLog(workspace).verify()
    assert (verdict.ok, verdict.n_records, verdict.n_waiting) == (True, 120, 0)
    notes, records = notes_and_records(workspace)
    assert notes == records


def write_some(workspace: Workspace, worker: int, n: int) -> None:
    for i in range(n):
        name = f"{worker}-{i}"
        with audited(workspace, ("registry", "sessions")[i % 2], actor=ACTOR) as change:
            change.db.documents("notes", Note, key="name").insert(Note(name=name))
            change.record("note.write", name)
