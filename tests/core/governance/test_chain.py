"""The hash chain alone: what each kind of tampering looks like."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from core.governance.chain import GENESIS, ChainFault, Damage, Link, Seal, follow, link_of
from core.governance.record import AuditEntry

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SEAL = Seal(b"k" * 32)


def an_entry(n: int, text: str = "") -> AuditEntry:
    return AuditEntry(
        id=f"id-{n}", at=AT, actor="ada@desk", origin="cli", verb="note.write", object=f"n{n}", after=text
    )


def a_log(n: int, *, seal: Seal = SEAL, text: str = "") -> list[bytes]:
    lines, link = [], Link()
    for i in range(1, n + 1):
        line, link = seal.line(an_entry(i, text), link)
        lines.append(line)
    return lines


def first_fault(lines: list[bytes]) -> ChainFault | None:
    return next((item for item in follow(lines, SEAL, Link()) if isinstance(item, ChainFault)), None)


def test_a_log_as_written_has_no_fault_and_each_line_names_the_hash_before_it():
    lines = a_log(3)
    assert first_fault(lines) is None
    assert f'"previous_hash":"{GENESIS}"'.encode() in lines[0]
    assert f'"previous_hash":"{link_of(lines[1]).hash}"'.encode() in lines[2]


def swapped(lines: list[bytes], i: int, j: int) -> list[bytes]:
    lines = list(lines)
    lines[i], lines[j] = lines[j], lines[i]
    return lines


@pytest.mark.parametrize(
    ("tamper", "damage", "sequence"),
    [
        pytest.param(
            lambda log: [*log[:2], log[2].replace(b"n3", b"n9"), *log[3:]], Damage.EDITED, 3, id="an edited word"
        ),
        pytest.param(
            lambda log: [*log[:2], log[2].replace(b'"sequence":3', b'"sequence":4'), *log[3:]],
            Damage.EDITED,
            3,
            id="an edited number",
        ),
        pytest.param(
            lambda log: [*log[:2], a_log(3, seal=Seal(b"other"))[2], *log[3:]],
            Damage.EDITED,
            3,
            id="a record by another key",
        ),
        pytest.param(lambda log: [*log[:2], b"garbage\n", *log[3:]], Damage.UNREADABLE, 3, id="garbage for a record"),
        pytest.param(lambda log: [*log[:2], b"\n", *log[2:]], Damage.UNREADABLE, 3, id="an empty line put in"),
        pytest.param(lambda log: log[1:], Damage.MISSING, 1, id="the first record removed"),
        pytest.param(lambda log: [*log[:2], *log[3:]], Damage.MISSING, 3, id="one record removed"),
        pytest.param(lambda log: [*log[:1], *log[4:]], Damage.MISSING, 2, id="three records removed"),
        pytest.param(lambda log: swapped(log, 1, 2), Damage.REORDERED, 2, id="two neighbours swapped"),
        pytest.param(lambda log: [*log[:1], *log[2:], log[1]], Damage.REORDERED, 2, id="one record moved to the end"),
        pytest.param(lambda log: [*log[:3], log[1], *log[3:]], Damage.REPEATED, 2, id="one record copied further down"),
        pytest.param(
            lambda log: [*a_log(2, text="another life"), *log[2:]],
            Damage.UNCHAINED,
            3,
            id="the beginning of another log with the same key",
        ),
    ],
)
def test_every_kind_of_tampering_is_reported_with_the_first_bad_record(
    tamper: Callable[[list[bytes]], list[bytes]], damage: Damage, sequence: int
):
    fault = first_fault(tamper(a_log(6)))
    assert fault is not None
    assert (fault.damage, fault.sequence) == (damage, sequence)
    assert f"record {sequence}" in fault.sentence or f"records {sequence} to" in fault.sentence


def test_any_single_changed_byte_is_found():
    lines = a_log(2)
    whole = b"".join(lines)
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 1
        assert first_fault(bytes(changed).splitlines(keepends=True)) is not None, position
