"""The epochs of a session: beside the log, sealed by it, and verified with it."""

import multiprocessing
import os
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import msgspec
import orjson
import pytest

from core.actor import Actor
from core.errors import NotFoundError
from core.governance import AuditFilter, AuditLog, EpochProof, audited
from core.governance.chain import Damage
from core.governance.epoch_proof import prove
from core.governance.errors import TamperedError
from core.governance.journal import Journal
from core.governance.ledgers import SEAL_EVERY, SEAL_VERB
from core.governance.merkle import leaf_hash, root_of
from core.state import Workspace
from tests.core.governance.test_crashes import KilledError, at_any_point, kill_at

ENGINE = Actor.engine()
_forked = multiprocessing.get_context("fork")


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    epoch: int = 0
    phase: str = "running"
    revision: int = 0


def _change(workspace: Workspace, session: str, verb: str, **changes: object) -> None:
    with audited(workspace, "sessions", actor=ENGINE) as change:
        documents = change.db.documents("sessions", Progress, key="name")
        before = documents.find(session)
        if before is None:
            after = documents.insert(Progress(name=session))
        else:
            after = documents.replace(msgspec.structs.replace(before, **changes))
        change.record(verb, session, before=before, after=after)


@pytest.fixture
def train(workspace: Workspace) -> Callable[..., None]:
    """Return a function that completes epochs of a session, from where it is."""

    def run(n: int, session: str = "s-0001") -> None:
        documents = workspace.database("sessions").documents("sessions", Progress, key="name")
        if documents.find(session) is None:
            _change(workspace, session, "session.start")
        for _ in range(n):
            _change(workspace, session, "epoch.complete", epoch=documents.get(session).epoch + 1)

    return run


def _pause(workspace: Workspace, session: str = "s-0001") -> None:
    _change(workspace, session, "session.pause", phase="paused")


def _ledger(workspace: Workspace, session: str = "s-0001") -> Path:
    return workspace.audit_dir / "epochs" / f"{session}.jsonl"


def _seals(log: AuditLog) -> list[tuple[str, int]]:
    return [(record.object, record.after["epochs"]) for record in log.search(AuditFilter(verb=SEAL_VERB))][::-1]


def test_the_log_holds_one_seal_instead_of_the_epochs(workspace, log, train):
    train(5)
    train(3, "s-0002")
    _pause(workspace)

    assert [record.verb for record in log.tail(9)] == ["session.start", "session.start", SEAL_VERB, "session.pause"]
    assert [record.after["epoch"] for record in log.epochs("s-0001")] == [5, 4, 3, 2, 1]
    assert _seals(log) == [("s-0001", 5)]
    verdict = log.verify()
    assert (verdict.ok, verdict.n_records, verdict.n_epochs) == (True, 4, 8)
    assert (_ledger(workspace).stat().st_mode & 0o777, _ledger(workspace).parent.stat().st_mode & 0o777) == (
        0o600,
        0o700,
    )


def test_a_long_session_is_sealed_while_it_runs(workspace, log, train, monkeypatch):
    monkeypatch.setattr("core.governance.log_writer.SEAL_EVERY", 4)
    train(10)

    assert SEAL_EVERY == 256
    assert _seals(log) == [("s-0001", 4), ("s-0001", 8)]
    assert log.verify().ok


def test_what_one_epoch_writes_does_not_grow_with_the_session(workspace, train, monkeypatch):
    monkeypatch.setattr("core.governance.log_writer.SEAL_EVERY", 8)
    train(40)
    head, log = workspace.state_dir / "audit.json", workspace.audit_file
    before = head.stat().st_size, log.stat().st_size
    train(56)

    assert head.stat().st_size - before[0] < 100  # a hash per doubling
    assert (log.stat().st_size - before[1]) / 56 < 100


@at_any_point
def test_a_drain_killed_at_any_point_neither_loses_nor_repeats_an_epoch(
    workspace, train, write_notes, monkeypatch, target, first
):
    train(3)
    with monkeypatch.context() as patch:
        kill_at(patch, target, first=first)
        with pytest.raises(KilledError):
            train(1)
    write_notes(2)  # another database goes on meanwhile
    _pause(workspace)
    train(2)

    log = AuditLog(workspace)
    verdict = log.verify()
    assert verdict.ok, verdict.reason
    assert [record.after["epoch"] for record in log.epochs("s-0001")] == [6, 5, 4, 3, 2, 1]
    assert _seals(log) == [("s-0001", 4)]


@pytest.mark.parametrize("call", range(1, 5))
def test_a_drain_of_several_changes_killed_between_two_files_keeps_their_order(
    workspace, train, write_notes, monkeypatch, call
):
    train(1)
    with monkeypatch.context() as patch:  # the log cannot be written for a while: changes wait
        patch.setattr(AuditLog, "drain", lambda *_: 0)
        train(2)
        _pause(workspace)
        train(1)
    calls = []
    append = Journal.append

    def killed(journal: Journal, lines: bytes) -> int:
        calls.append(lines)
        if len(calls) == call:
            raise KilledError
        return append(journal, lines)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "append", killed)
        try:
            AuditLog(workspace).drain("sessions")
        except KilledError:
            assert len(calls) == call
    write_notes(1)  # takes the next place in the log
    AuditLog(workspace).drain()

    log = AuditLog(workspace)
    verdict = log.verify()
    assert verdict.ok, verdict.reason
    assert [record.after["epoch"] for record in log.epochs("s-0001")] == [4, 3, 2, 1]
    assert sorted(record.verb for record in log.tail(9)) == [SEAL_VERB, "note.write", "session.pause", "session.start"]


def _edit(file: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    file.write_bytes(b"".join(change(file.read_bytes().splitlines(keepends=True))))


@pytest.mark.parametrize(
    ("change", "damage"),
    [
        pytest.param(
            lambda lines: [lines[0].replace(b'"epoch":1', b'"epoch":9'), *lines[1:]], Damage.EDITED, id="edit"
        ),
        pytest.param(lambda lines: [lines[0], *lines[2:]], Damage.MISSING, id="removal"),
        pytest.param(lambda lines: lines[:-1], Damage.CUT_OFF, id="cut off"),
        pytest.param(lambda lines: [], Damage.CUT_OFF, id="emptied"),
    ],
)
@pytest.mark.parametrize("is_sealed", [True, False])
def test_a_tampered_ledger_is_found(workspace, log, train, change, damage, is_sealed):
    train(4)
    if is_sealed:
        _pause(workspace)
    _edit(_ledger(workspace), change)

    verdict = log.verify()
    assert (verdict.ok, verdict.damage, verdict.first_bad_sequence) == (False, damage, None)
    assert "audit/epochs/s-0001.jsonl" in verdict.reason

    train(1)  # goes on; what was found stays found
    assert not AuditLog(workspace).verify().ok


def test_a_removed_ledger_and_another_session_s_ledger_are_found(workspace, log, train):
    train(3)
    train(3, "s-0002")
    _pause(workspace)
    _pause(workspace, "s-0002")
    other = _ledger(workspace, "s-0002").read_bytes()
    mine = _ledger(workspace).read_bytes()
    _ledger(workspace).write_bytes(other)
    assert log.verify().damage is Damage.UNCHAINED
    _ledger(workspace).unlink()
    assert log.verify().damage is Damage.CUT_OFF
    _ledger(workspace).write_bytes(mine)
    assert log.verify().ok


def test_the_sealed_end_of_a_forgotten_ledger_is_taken_up_from_its_file(workspace, log, train, monkeypatch):
    monkeypatch.setattr("core.governance.ledgers.REMEMBERED", 1)
    for session in ("s-0001", "s-0002", "s-0003"):
        train(2, session)
        _pause(workspace, session)
    assert list(orjson.loads((workspace.state_dir / "audit.json").read_bytes())["head"]["1"]["ledgers"]) == ["s-0003"]

    train(1)
    _pause(workspace)

    assert _seals(log) == [("s-0001", 2), ("s-0002", 2), ("s-0003", 2), ("s-0001", 3)]
    assert log.verify().ok


def test_a_document_that_an_epoch_wrote_is_compared_with_its_ledger(workspace, log, train):
    train(3)
    file = workspace.state_dir / "sessions.json"
    text = file.read_text()
    assert '"epoch":3' in text
    file.write_text(text.replace('"epoch":3', '"epoch":7'))

    verdict = log.verify()
    assert verdict.damage is Damage.STATE
    assert "(epoch.complete s-0001)" in verdict.reason


@pytest.mark.parametrize("n", [1, 2, 7, 8])
def test_an_epoch_is_proved_to_somebody_without_the_workspace(workspace, log, train, n):
    train(n)
    _pause(workspace)
    for epoch in range(1, n + 1):
        sent = msgspec.json.encode(log.prove_epoch("s-0001", epoch))
        proof = msgspec.json.decode(sent, type=EpochProof)
        assert proof.holds()
        assert orjson.loads(proof.line)["after"]["epoch"] == epoch
        (sealing,) = [record for record in log.tail(9) if record.sequence == proof.sealed_by]
        assert orjson.loads(proof.record)["hash"] == sealing.hash
        forged = msgspec.structs.replace(proof, line=proof.line.replace('"engine"', '"nobody"', 1))
        assert forged != proof
        assert not forged.holds()
        assert not msgspec.structs.replace(proof, index=proof.index + 1).holds()
        leaf = leaf_hash(forged.line.encode()).hex()
        alone = msgspec.structs.replace(forged, index=0, n_epochs=1, path=(), root=leaf)
        assert not alone.holds()


def test_a_proof_among_many_epochs_takes_little_memory(tmp_path):
    folder, n = tmp_path / "epochs", 4_000
    folder.mkdir()
    lines = [orjson.dumps({"after": {"epoch": epoch}, "more": "x" * 1_000}) for epoch in range(1, n + 1)]
    (folder / "s-0001.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    after = {"epochs": n, "root": root_of(map(leaf_hash, lines)).hex()}
    fields = {"verb": "epochs.seal", "object": "s-0001", "sequence": 5, "after": after}
    tracemalloc.start()
    try:
        journal = Journal(folder / "s-0001.jsonl")
        proof = prove(3_001, journal, SimpleNamespace(**fields), orjson.dumps(fields).decode())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert proof.holds()
    assert (proof.index, proof.line) == (3_000, lines[3_000].decode())
    assert peak < 500_000 < n * 1_000


def test_an_epoch_that_was_edited_is_neither_proved_nor_shown(workspace, log, train):
    train(3)
    _pause(workspace)
    _edit(
        _ledger(workspace), lambda lines: [lines[0], lines[1].replace(b'"epoch":2', b'"epoch":2,"score":1'), lines[2]]
    )

    with pytest.raises(TamperedError, match="are not those that record 2 sealed"):
        log.prove_epoch("s-0001", 2)
    assert [record.after["epoch"] for record in log.epochs("s-0001")] == [3, 1]


@pytest.mark.parametrize("is_sealed", [True, False])
def test_a_forged_epoch_at_the_end_is_found_and_not_shown(workspace, log, train, is_sealed):
    train(3)
    if is_sealed:
        _pause(workspace)
    last = _ledger(workspace).read_bytes().splitlines()[-1]
    _edit(_ledger(workspace), lambda lines: [*lines, last.replace(b'"epoch":3', b'"epoch":4')])  # without a newline

    assert log.verify().damage is Damage.EDITED
    assert [record.after["epoch"] for record in log.epochs("s-0001")] == [3, 2, 1]


def test_bytes_at_the_end_of_a_ledger_are_named(workspace, log, train):
    train(2)
    whole = _ledger(workspace).read_bytes()
    _ledger(workspace).write_bytes(whole + whole[:70])
    verdict = log.verify()
    assert (verdict.ok, verdict.torn_tail) == (True, True)
    assert "s-0001.jsonl was cut short by a crash" in verdict.reason
    _ledger(workspace).write_bytes(whole + b"\x00nonsense\nmore")
    assert log.verify().damage is Damage.UNREADABLE


def test_an_anchor_and_a_signature_cover_every_epoch_so_far(workspace, log, train, tmp_path):
    train(2)
    copy = tmp_path / "copy"
    shutil.copytree(workspace.root, copy)
    train(3)
    anchor = log.anchor()
    assert _seals(log) == [("s-0001", 5)]
    assert AuditLog(workspace).verify([anchor]).ok
    assert AuditLog(Workspace(copy)).verify([anchor]).damage is Damage.CUT_OFF

    train(1)
    log.sign()
    assert _seals(log) == [("s-0001", 5), ("s-0001", 6)]
    assert log.verify().ok


@pytest.mark.parametrize("stray", ["folder", "link", "loop", "pipe", "one endless line"])
def test_a_stray_entry_among_the_ledgers_is_named(workspace, log, train, stray):
    train(1)
    path = _ledger(workspace, "s-0099")
    match stray:
        case "folder":
            path.mkdir()
        case "link":
            path.symlink_to("/dev/zero")
        case "loop":
            path.symlink_to(path)
        case "pipe":
            os.mkfifo(path)
        case _:
            with path.open("wb") as file:
                file.truncate(3 << 30)

    verdict = log.verify()
    assert (verdict.ok, verdict.damage) == (False, Damage.UNREADABLE)
    assert "s-0099" in verdict.reason


def test_an_unsealed_epoch_has_no_proof_yet(workspace, log, train):
    train(2)
    with pytest.raises(NotFoundError, match=r"has sealed no epoch 2 of s-0001\. The log seals epochs whenever"):
        log.prove_epoch("s-0001", 2)
    with pytest.raises(NotFoundError, match=r"No epoch of 's-0009' has been recorded\. Recorded: s-0001"):
        log.epochs("s-0009")


def _train_in_turn(workspace: Workspace, session: str, n: int) -> None:
    for epoch in range(1, n + 1):
        _change(workspace, session, "epoch.complete", epoch=epoch)


def test_two_writers_at_once_keep_every_epoch(workspace, log, train):
    train(0)
    train(0, "s-0002")
    children = [
        _forked.Process(target=_train_in_turn, args=(Workspace(workspace.root), session, 15))
        for session in ("s-0001", "s-0002")
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()

    assert log.verify().ok
    assert [len(log.epochs(session)) for session in ("s-0001", "s-0002")] == [15, 15]
