"""State files against the records about them: edits, older files and missing logs."""

import json
import os
import shutil
from pathlib import Path

import msgspec
import pytest

from core.errors import NotFoundError, UsageError
from core.governance import AuditLog, append_anchor, audited, read_anchors
from core.governance.chain import Damage, Seal
from core.governance.head import HeadStore
from core.governance.keys import AuditKeys
from core.governance.sealed import changed_documents, digest_of
from core.maintenance.restore import restore
from core.state import Workspace
from core.state.generation import previous_of
from tests.core.governance.conftest import ACTOR, Note
from tests.monitored import monitored


@pytest.fixture
def registry_file(workspace: Workspace, write_notes) -> Path:
    write_notes(3)
    return workspace.state_dir / "registry.json"


def _edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_a_document_edited_by_hand_is_named_with_its_last_record(workspace, registry_file):
    assert AuditLog(workspace).verify().ok
    _edit(registry_file, '"name":"note 2","text":""', '"name":"note 2","text":"live"')

    verdict = AuditLog(workspace).verify()

    assert (verdict.ok, verdict.damage, verdict.first_bad_sequence) == (False, Damage.STATE, 2)
    assert verdict.reason.startswith(
        "document 2 of notes in state/registry.json is not what record 2 (note.write note 2) left"
    )


def test_what_the_engine_observes_of_live_models_needs_no_record(workspace, registry_file):
    monitored(workspace, "spread")

    assert AuditLog(workspace).verify().ok


def test_a_document_removed_by_hand_is_found(workspace, registry_file):
    tables = json.loads(registry_file.read_bytes())
    del tables["notes"]["3"]
    registry_file.write_text(json.dumps(tables))

    verdict = AuditLog(workspace).verify()

    assert (verdict.damage, verdict.first_bad_sequence) == (Damage.STATE, 3)
    assert verdict.reason.endswith("it is missing")


def test_a_document_nobody_recorded_is_found(workspace, registry_file):
    tables = json.loads(registry_file.read_bytes())
    tables["notes"]["9"] = {"name": "note 9", "text": "", "revision": 1}
    registry_file.write_text(json.dumps(tables))

    verdict = AuditLog(workspace).verify()

    assert (verdict.damage, verdict.first_bad_sequence) == (Damage.STATE, None)
    assert "no record is about it" in verdict.reason


def test_an_older_state_file_put_back_is_found(workspace, registry_file, write_notes):
    older = registry_file.read_bytes()
    write_notes(1)
    assert AuditLog(workspace).verify().ok
    registry_file.write_bytes(older)

    assert AuditLog(workspace).verify().damage is Damage.STATE


def test_a_log_cut_off_together_with_its_head_is_found(workspace, registry_file, write_notes):
    log, head = workspace.audit_file, workspace.state_dir / "audit.json"
    before = log.read_bytes(), head.read_bytes()
    write_notes(2)  # the last record is still in the outbox, and is logged again
    log.write_bytes(before[0])
    head.write_bytes(before[1])

    verdict = AuditLog(workspace).verify()

    assert (verdict.ok, verdict.damage) == (False, Damage.STATE)
    assert "document 4 of notes" in verdict.reason


@pytest.mark.parametrize("with_keys", [False, True])
def test_a_log_removed_together_with_its_head_is_found(workspace, registry_file, with_keys):
    shutil.rmtree(workspace.audit_dir)
    for file in workspace.state_dir.glob("audit.json*"):
        file.unlink()
    if with_keys:
        shutil.rmtree(workspace.keys_dir)

    verdict = AuditLog(workspace).verify()

    assert (verdict.ok, verdict.damage) == (False, Damage.CUT_OFF)
    assert "state/registry.json" in verdict.reason


def test_a_new_workspace_is_whole_and_gets_its_key_with_the_first_change(workspace):
    assert AuditLog(workspace).verify().ok
    assert not list(workspace.keys_dir.glob("audit*"))
    with pytest.raises(ZeroDivisionError), audited(workspace, "registry", actor=ACTOR):
        raise ZeroDivisionError
    assert list(workspace.keys_dir.glob("audit*"))
    assert AuditLog(workspace).verify().ok


def test_a_change_that_waits_for_the_log_counts_as_recorded(workspace, write_notes, monkeypatch):
    write_notes(1)
    with monkeypatch.context() as patched:
        patched.setattr(AuditLog, "drain", lambda *_: (_ for _ in ()).throw(OSError("the disk is away")))
        write_notes(1)

    verdict = AuditLog(workspace).verify()

    assert (verdict.ok, verdict.n_waiting) == (True, 1)


def test_an_inner_change_is_sealed_as_the_outer_one_left_it(workspace):
    with audited(workspace, "registry", actor=ACTOR) as outer:
        notes = outer.db.documents("notes", Note, key="name")
        first = notes.insert(Note(name="a"))
        with audited(workspace, "registry", actor=ACTOR) as inner:
            inner.record("note.write", "a", after=first)
        notes.replace(Note(name="a", text="later", revision=1))
        outer.record("note.write", "a", after="later")

    assert AuditLog(workspace).verify().ok


def test_a_generation_restored_on_record_is_whole_without_what_it_lost(workspace, registry_file):
    registry_file.write_bytes(b"")  # the previous generation knows nothing of note 3
    restore(workspace, registry_file, actor=ACTOR)
    assert AuditLog(workspace).verify().ok

    _edit(registry_file, '"name":"note 2","text":""', '"name":"note 2","text":"live"')

    assert AuditLog(workspace).verify().damage is Damage.STATE


def test_a_forged_generation_is_restored_and_stays_under_suspicion(workspace, registry_file):
    previous = previous_of(registry_file)
    _edit(previous, '"name":"note 1","text":""', '"name":"note 1","text":"forged"')
    registry_file.write_bytes(b"")

    restored = restore(workspace, registry_file, actor=ACTOR)

    assert restored.unvouched == ("registry/notes/1",)
    assert "differs from all that the records left" in str(restored)
    assert "document 1 of notes" in AuditLog(workspace).verify().reason


def test_a_state_file_removed_with_its_earlier_generation_is_found(workspace, registry_file):
    registry_file.unlink()
    previous_of(registry_file).unlink()

    verdict = AuditLog(workspace).verify()

    assert (verdict.ok, verdict.damage) == (False, Damage.STATE)
    assert "it is missing" in verdict.reason


def _forge(registry_file: Path, *, marked_as_drained: bool) -> None:
    """Add a document, with an entry in the outbox that vouches for it, without the key."""
    tables = json.loads(registry_file.read_bytes())
    tables["notes"]["9"] = note = {"name": "note 9", "text": "", "revision": 1}
    digests = {"registry/notes/9": digest_of("notes", note)}
    last = next(reversed(tables["outbox"].values()))
    tables["outbox"]["99"] = {**last, "id": "f" * 16, "object": "note 9", "documents": digests}
    registry_file.write_text(json.dumps(tables))
    if marked_as_drained:
        head = registry_file.with_name("audit.json")
        fields = json.loads(head.read_bytes())
        fields["head"]["1"]["drained"].setdefault("registry", []).append("f" * 16)
        head.write_text(json.dumps(fields))


@pytest.mark.parametrize("marked_as_drained", [False, True])
def test_a_record_forged_without_the_key_is_found_and_never_logged(
    workspace, registry_file, write_notes, marked_as_drained
):
    _forge(registry_file, marked_as_drained=marked_as_drained)
    assert not AuditLog(workspace).verify().ok

    AuditLog(workspace).drain()
    write_notes(1)

    verdict = AuditLog(workspace).verify()
    assert (verdict.ok, verdict.damage) == (False, Damage.ALARM)
    assert [record.object for record in AuditLog(workspace).tail(99)].count("note 9") == 0


def test_what_an_earlier_release_left_waiting_is_logged_without_an_alarm(workspace, registry_file):
    tables = json.loads(registry_file.read_bytes())
    entry = tables["outbox"]["4"] = {**next(reversed(tables["outbox"].values())), "id": "e" * 16, "seal": ""}
    del entry["documents"]
    registry_file.write_text(json.dumps(tables))
    log = AuditLog(workspace)
    seal = Seal(AuditKeys(workspace.keys_dir).chain_key(may_create=False))
    head = HeadStore(workspace)
    head.store(msgspec.structs.replace(head.load(), seals_outbox=False), seal)
    assert log.verify().ok

    assert log.drain() == 1

    assert log.verify().ok
    assert head.load().seals_outbox


def test_the_progress_of_a_rollout_is_no_change_and_its_decisions_are():
    rollout = {"rollout_id": "ro-0001", "desired": "running", "observed": {"step": 1}, "revision": 1}

    def recorded(**changed):
        return changed_documents("registry", {}, {"rollouts": {"1": {**rollout, **changed}}})

    assert recorded(observed={"step": 1, "evidence": {"n_stable": 9}}, revision=2) == recorded()
    assert recorded(observed={"step": 2}) != recorded()
    assert recorded(observed={"step": 1, "phase": "promoted"}) != recorded()
    assert recorded(desired="aborted") != recorded()


@pytest.mark.parametrize("content", ["root:x:0:0\n", "\x00\x01", '{"at": 1}\n', "torn", "\n\n"])
def test_an_anchor_is_not_appended_to_a_file_of_something_else(workspace, write_notes, tmp_path, content):
    write_notes(1)
    other = tmp_path / "passwd"
    other.write_text(content)
    with pytest.raises(UsageError, match="has content, and no line of it is an anchor"):
        append_anchor(other, AuditLog(workspace).anchor())
    assert other.read_text() == content
    other.write_text("")
    append_anchor(other, AuditLog(workspace).anchor())
    append_anchor(other, AuditLog(workspace).anchor())
    assert len(read_anchors(other)) == 2


def test_an_anchor_kept_elsewhere_shows_a_workspace_replaced_as_a_whole(workspace, write_notes, tmp_path):
    write_notes(2)
    backup = tmp_path / "backup"
    shutil.copytree(workspace.root, backup)
    write_notes(3)
    kept = tmp_path / "anchors.jsonl"
    append_anchor(kept, AuditLog(workspace).anchor())
    assert AuditLog(workspace).verify(read_anchors(kept)).ok

    replaced = AuditLog(Workspace(backup))

    assert replaced.verify().ok  # by itself it is whole
    verdict = replaced.verify(read_anchors(kept))
    assert (verdict.ok, verdict.damage, verdict.first_bad_sequence) == (False, Damage.CUT_OFF, 3)


def test_an_anchor_of_another_history_is_found(workspace, write_notes, tmp_path):
    write_notes(2)
    anchor = AuditLog(workspace).anchor()
    kept = tmp_path / "anchors.jsonl"
    kept.write_text(json.dumps({**json.loads(_line(anchor)), "hash": "0" * 64}) + "\n")

    verdict = AuditLog(workspace).verify(read_anchors(kept))

    assert (verdict.damage, verdict.first_bad_sequence) == (Damage.REBUILT, 2)


def test_a_file_that_holds_no_anchors_is_refused_with_the_line(tmp_path, workspace):
    file = tmp_path / "anchors.jsonl"
    file.write_text("\n{}\n")
    with pytest.raises(UsageError, match="line 2, is not an anchor"):
        read_anchors(file)
    file.write_text("")
    with pytest.raises(UsageError, match="holds no anchor"):
        read_anchors(file)
    with pytest.raises(NotFoundError, match="Nothing has been recorded"):
        AuditLog(workspace).anchor()


def test_an_anchor_is_appended_to_whole_lines_of_regular_files_alone(workspace, write_notes, tmp_path):
    write_notes(1)
    anchor = AuditLog(workspace).anchor()
    kept = tmp_path / "anchors.jsonl"
    kept.write_text('{"torn')
    append_anchor(kept, anchor)
    with pytest.raises(UsageError, match=r"line 1, is not an anchor.*remove the line"):
        read_anchors(kept)
    assert kept.read_text().splitlines()[1] == _line(anchor)

    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for target in (pipe, Path("/dev/null"), tmp_path):
        with pytest.raises(UsageError, match="cannot be written"):
            append_anchor(target, anchor)


def _line(anchor) -> str:
    from core.governance import spelled_anchor

    return spelled_anchor(anchor)


def test_a_large_state_file_is_verified_with_the_records_that_wait_in_it(workspace, write_notes, monkeypatch):
    monkeypatch.setattr("core.state.generation._IN_MEMORY_BELOW_BYTES", 0)
    write_notes(2)
    workspace.database("registry").close()
    with monkeypatch.context() as patch:
        patch.setattr("core.governance.audit._drain", lambda *_: None)  # as in a process killed before it
        write_notes(1)
    workspace.database("registry").close()
    verdict = AuditLog(workspace).verify()
    assert verdict.ok, verdict.reason
    assert verdict.n_waiting == 1
