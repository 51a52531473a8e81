"""The log file, the state file beside it, and people who edit them."""

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from core.governance import AuditKeyError, AuditLog
from core.governance.chain import Damage, Link, Seal
from core.governance.keys import AuditKeys
from core.governance.record import AuditEntry
from core.state import Workspace

N = 6


@pytest.fixture
def file(workspace: Workspace, write_notes: Callable[..., None]) -> Path:
    write_notes(N)
    return workspace.audit_dir / "audit.jsonl"


def lines_of(file: Path) -> list[bytes]:
    return file.read_bytes().splitlines(keepends=True)


def cut_off(file: Path, n: int) -> None:
    file.write_bytes(b"".join(lines_of(file)[:-n]))


def edit(file: Path, line: int, old: bytes, new: bytes) -> None:
    lines = lines_of(file)
    assert old in lines[line]
    lines[line] = lines[line].replace(old, new)
    file.write_bytes(b"".join(lines))


def rebuild(file: Path) -> None:
    """Write the whole log anew with the right key and another history."""
    seal = Seal(bytes.fromhex((file.parent.parent / "keys" / "audit.key").read_text()))
    rebuilt, link = [], Link()
    for line in lines_of(file):
        entry = msgspec.convert({**json.loads(line), "reason": "as I like it"}, AuditEntry)
        sealed, link = seal.line(entry, link)
        rebuilt.append(sealed)
    file.write_bytes(b"".join(rebuilt))


TAMPERED = [
    pytest.param(lambda file: edit(file, 2, b"note 3", b"note 9"), Damage.EDITED, 3, id="edited, same length"),
    pytest.param(lambda file: edit(file, 2, b"note 3", b"note 333"), Damage.EDITED, 3, id="edited, longer"),
    pytest.param(lambda file: edit(file, 5, b"note 6", b"note 9"), Damage.EDITED, 6, id="the last one edited"),
    pytest.param(lambda file: edit(file, 5, b"note 6", b"note"), Damage.EDITED, 6, id="the last one edited, shorter"),
    pytest.param(lambda file: cut_off(file, 1), Damage.CUT_OFF, 6, id="the last one cut off"),
    pytest.param(lambda file: cut_off(file, 3), Damage.CUT_OFF, 4, id="three cut off"),
    pytest.param(lambda file: cut_off(file, 6), Damage.CUT_OFF, 1, id="emptied"),
    pytest.param(lambda file: file.unlink(), Damage.CUT_OFF, 1, id="deleted"),
    pytest.param(lambda file: file.write_bytes(file.read_bytes()[:-40]), Damage.UNREADABLE, 6, id="cut off mid-line"),
    pytest.param(rebuild, Damage.REBUILT, 6, id="rebuilt as a whole with the right key"),
    pytest.param(
        lambda file: file.write_bytes(b"".join([*lines_of(file)[:2], *lines_of(file)[3:]])),
        Damage.MISSING,
        3,
        id="one removed",
    ),
    pytest.param(
        lambda file: file.write_bytes(file.read_bytes() + lines_of(file)[1]), Damage.REPEATED, 2, id="one repeated"
    ),
    pytest.param(
        lambda file: file.write_bytes(file.read_bytes() + lines_of(file)[5].replace(b'"sequence":6', b'"sequence":7')),
        Damage.EDITED,
        7,
        id="one forged at the end",
    ),
]


@pytest.mark.parametrize(("tamper", "damage", "sequence"), TAMPERED)
def test_tampering_is_found_and_later_changes_do_not_cover_it_up(file, log, write_notes, tamper, damage, sequence):
    assert log.verify().ok
    tamper(file)
    verdict = log.verify()
    assert (verdict.ok, verdict.damage, verdict.first_bad_sequence) == (False, damage, sequence)
    assert not verdict.torn_tail

    write_notes(3)  # life goes on: nobody is locked out by a damaged log
    later = log.verify()
    assert not later.ok
    assert later.first_bad_sequence == sequence or damage in (Damage.CUT_OFF, Damage.REBUILT)
    assert [record.object for record in log.tail(3)] == ["note 7", "note 8", "note 9"]


def change_head(workspace: Workspace, **fields: object) -> None:
    state = workspace.state_dir / "audit.json"
    document = json.loads(state.read_bytes())
    document["head"]["1"].update(fields)
    state.write_text(json.dumps(document))


def test_a_head_moved_back_to_fit_a_log_cut_off_is_found(workspace, file, log, write_notes):
    lines = lines_of(file)
    fourth = json.loads(lines[3])
    start = len(b"".join(lines[:3]))
    cut_off(file, 2)
    change_head(workspace, sequence=4, hash=fourth["hash"], start=start, size=start + len(lines[3]))
    verdict = log.verify()
    assert (verdict.ok, verdict.damage) == (False, Damage.REBUILT)
    assert "edited" in verdict.reason
    write_notes(1)
    assert log.verify().damage is Damage.ALARM


def test_a_head_that_was_deleted_is_found(workspace, file, log, write_notes):
    for state in workspace.state_dir.glob("audit.json*"):
        state.unlink()
    assert "hold no head" in log.verify().reason
    write_notes(1)
    verdict = log.verify()
    assert (verdict.ok, verdict.damage, verdict.first_bad_sequence) == (False, Damage.ALARM, N + 1)


def test_a_torn_tail_is_not_tampering_and_the_next_change_moves_it_aside(workspace, file, log, write_notes):
    with file.open("ab") as end:
        end.write(b'{"sequence":7,"id":"half a li')
    verdict = log.verify()
    assert verdict.ok
    assert verdict.torn_tail
    assert "cut short by a crash" in verdict.reason

    write_notes(1)
    verdict = log.verify()
    assert (verdict.ok, verdict.torn_tail, verdict.n_records) == (True, False, N + 1)
    (aside,) = workspace.audit_dir.glob("torn-*.part")
    assert aside.read_bytes() == b'{"sequence":7,"id":"half a li'


def test_a_tail_of_zeros_as_a_power_cut_leaves_it_is_torn_too(file, log):
    with file.open("ab") as end:
        end.write(bytes(700))
    assert log.verify().torn_tail


def test_heads_are_signed_periodically_and_on_demand(workspace, write_notes):
    write_notes(1)
    log = AuditLog(workspace, sign_every=3)
    write_notes(4)
    log.drain()
    assert log.verify().n_signatures == 1
    log.sign()
    assert log.verify().n_signatures == 1, "a signed head is not signed again"
    write_notes(1)
    log.sign()
    verdict = log.verify()
    assert verdict.ok
    assert verdict.n_signatures == 2
    assert log.tail(1)[0].verb == "audit.sign"


def test_a_signature_by_another_key_is_found(workspace, log, write_notes):
    write_notes(1)
    log.sign()
    other = workspace.root / "other"
    AuditKeys(other).sign(b"anything")
    (other / "audit-signing.pub").replace(workspace.keys_dir / "audit-signing.pub")
    verdict = AuditLog(workspace).verify()
    assert (verdict.ok, verdict.damage, verdict.first_bad_sequence) == (False, Damage.FORGED_SIGNATURE, 1)


def test_keys_are_made_once_and_for_their_owner_only(workspace, log):
    log.sign()
    key = workspace.keys_dir / "audit.key"
    content = key.read_bytes()
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in workspace.keys_dir.iterdir()} == {
        "audit.key": "0o600"
    }
    AuditLog(workspace)
    assert key.read_bytes() == content


def test_a_log_with_a_missing_key_gets_no_new_key(workspace, log, write_notes):
    write_notes(1)
    key = workspace.keys_dir / "audit.key"
    key.unlink()
    with pytest.raises(AuditKeyError, match=r"audit\.key is missing.*backup"):
        AuditLog(workspace)
    assert not key.exists()


def test_the_tail_is_read_from_the_end_and_skips_what_cannot_be_read(file, log):
    file.write_bytes(file.read_bytes() + b"noise\n")
    assert [record.sequence for record in log.tail(3)] == [5, 6]
    assert len(log.tail(1000)) == N
    assert log.tail(0) == []


@pytest.mark.parametrize(("n", "says"), [(1, "the one record is intact"), (2, "all 2 records are intact")])
def test_a_good_verdict_counts_in_good_english(log, write_notes, n, says):
    write_notes(n)
    assert log.verify().reason.startswith(says)
