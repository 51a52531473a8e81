"""A change and its record: neither without the other."""

from contextlib import suppress

import msgspec
import orjson
import pytest

from core.actor import Actor, Origin
from core.governance import AuditLog, Evidence, audited
from core.state import UnstorableValueError, Workspace

ACTOR = Actor("ada", "desk", Origin.CONSOLE)


class Note(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    text: str = ""
    revision: int = 0


def notes_of(workspace: Workspace) -> list[str]:
    return [note.name for note in workspace.database("registry").documents("notes", Note, key="name").all()]


def test_a_change_is_recorded_with_author_time_and_reason(workspace, log):
    with audited(workspace, "registry", actor=ACTOR, reason="better by 2 %") as change:
        notes = change.db.documents("notes", Note, key="name")
        before = notes.insert(Note(name="a", text="old"))
        after = notes.replace(Note(name="a", text="new", revision=1))
        change.record("note.write", "a", before=before, after=after, evidence=[Evidence("report.json", "ab" * 32)])
    (record,) = log.tail(10)
    assert (record.actor, record.origin, record.verb, record.object) == ("ada@desk", "console", "note.write", "a")
    assert record.reason == "better by 2 %"
    assert record.evidence == (Evidence("report.json", "ab" * 32),)
    assert record.at.tzinfo is not None


def test_only_the_differing_fields_of_a_document_are_logged(workspace, log):
    with audited(workspace, "registry", actor=ACTOR) as change:
        change.record("note.write", "a", before=Note(name="a", text="old"), after=Note(name="a", text="new"))
    (record,) = log.tail(1)
    assert (record.before, record.after) == ({"text": "old"}, {"text": "new"})


def test_a_failed_change_leaves_no_record(workspace, log, write_notes):
    write_notes(1)
    with suppress(ZeroDivisionError), audited(workspace, "registry", actor=ACTOR) as change:
        change.db.documents("notes", Note, key="name").insert(Note(name="b"))
        change.record("note.write", "b")
        raise ZeroDivisionError
    assert notes_of(workspace) == ["note 1"]
    assert log.verify().n_records == 1
    assert log.n_waiting() == 0


def test_a_record_that_json_cannot_represent_forbids_the_change(workspace, log):
    def write() -> None:
        with audited(workspace, "registry", actor=ACTOR) as change:
            change.db.documents("notes", Note, key="name").insert(Note(name="b"))
            change.record("note.write", "b", after={"score": float("nan")})

    with pytest.raises(UnstorableValueError):
        write()
    assert notes_of(workspace) == []
    assert log.verify().n_records == 0


def test_a_change_without_a_record_is_refused(workspace):
    with pytest.raises(RuntimeError, match="without an audit record"), audited(workspace, "registry", actor=ACTOR) as c:
        c.db.documents("notes", Note, key="name").insert(Note(name="b"))
    assert notes_of(workspace) == []


def test_a_change_inside_another_is_logged_once_and_after_both(workspace, log):
    with audited(workspace, "registry", actor=ACTOR) as outer:
        with audited(workspace, "registry", actor=ACTOR) as inner:
            inner.record("note.inner", "b")
        assert log.verify().n_records == 0
        outer.record("note.outer", "a")
    assert [record.verb for record in log.tail(9)] == ["note.inner", "note.outer"]
    assert log.verify().ok


def test_a_change_is_kept_if_the_log_cannot_be_written_and_is_logged_later(
    workspace, log, write_notes, monkeypatch, caplog
):
    write_notes(1)
    with monkeypatch.context() as patch:

        def full(*_: object) -> int:
            raise OSError(28, "No space left on device")

        patch.setattr("core.governance.journal.write_all", full)
        write_notes(2)
    assert "the record waits in the registry database" in caplog.text
    assert log.n_waiting() == 2
    assert log.verify().ok
    assert log.drain() == 2
    assert [record.object for record in log.tail(9)] == ["note 1", "note 2", "note 3"]
    assert log.verify().ok


def test_the_outbox_of_a_database_stays_small(workspace, write_notes):
    write_notes(50)
    outbox = orjson.loads((workspace.state_dir / "registry.json").read_bytes())["outbox"]
    assert len(outbox) == 1


def test_changes_of_several_databases_share_one_chain(workspace, log, write_notes):
    for database in ("registry", "sessions", "registry", "alerts"):
        write_notes(1, database=database)
    assert [record.object for record in log.tail(9)] == ["note 1", "note 1", "note 2", "note 1"]
    assert log.verify().ok


def test_restoring_the_previous_generation_of_a_database_repeats_and_loses_no_record(workspace, log, write_notes):
    write_notes(5)
    state = workspace.state_dir / "registry.json"
    (workspace.state_dir / "registry.json.prev").replace(state)
    log.drain()
    assert log.verify().n_records == 5
    write_notes(1)
    assert log.verify().n_records == 6
    assert len({record.id for record in AuditLog(workspace).tail(9)}) == 6
