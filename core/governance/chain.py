"""The hash chain of the audit log: sealing lines, and finding the first one that was tampered with.

A line is `{…,"previous_hash":"<64 hex>","hash":"<64 hex>"}`. `hash` is the HMAC-SHA-256 of all bytes before
`,"hash"`, including the previous hash, so lines are checked as bytes, without parsing and writing them again.
No disk and no clock here.
"""

import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

import orjson

from core.governance.record import AuditEntry, line_fields
from core.typed_numbers import whole_number

GENESIS = "0" * 64
"""The previous hash of the first record."""

_HASH_FIELD = b',"hash":"'
_CLOSING = b'"}'
_HASH_TAIL = len(_HASH_FIELD) + 64 + len(_CLOSING)
_SEQUENCE_FIELD = b'{"sequence":'


class Damage(StrEnum):
    """The kinds of damage to a log."""

    EDITED = "edited"
    UNREADABLE = "unreadable"
    MISSING = "missing"
    REORDERED = "reordered"
    REPEATED = "repeated"
    UNCHAINED = "unchained"
    CUT_OFF = "cut off"
    REBUILT = "rebuilt"
    FORGED_SIGNATURE = "forged signature"
    ALARM = "alarm"
    STATE = "state files differ"


@dataclass(frozen=True, slots=True)
class ChainFault:
    """The first fault in a log: the record, the kind of damage, and a sentence for the auditor."""

    sequence: int
    damage: Damage
    sentence: str


@dataclass(frozen=True, slots=True)
class Link:
    """A place in the chain: the sequence and hash of one record; (0, GENESIS) stands before the first."""

    sequence: int = 0
    hash: str = GENESIS


class Seal:
    """The workspace's key, ready to hash."""

    def __init__(self, key: bytes) -> None:
        self._keyed = hmac.new(key, digestmod="sha256")  # copied per line: a third cheaper than keying each time

    def hash_of(self, body: bytes) -> str:
        """Return the keyed hash of some bytes as 64 hex digits."""
        keyed = self._keyed.copy()
        keyed.update(body)
        return keyed.hexdigest()

    def tag_of(self, entry: AuditEntry, database: str) -> str:
        """Return the seal of an entry while it waits in the outbox of a database."""
        content = orjson.dumps([database, line_fields(entry, 0)], option=orjson.OPT_SORT_KEYS)
        return self.hash_of(b"outbox " + content)

    def line(self, entry: AuditEntry, after: Link, **more: int) -> tuple[bytes, Link]:
        """Write an entry as the line that follows `after`.

        Args:
            entry: The entry.
            after: The link of the line before.
            more: Further fields of the line.

        Returns:
            The line with its newline, and its own link.
        """
        fields = line_fields(entry, after.sequence + 1)
        body = orjson.dumps({**fields, **more, "previous_hash": after.hash})[:-1]
        link = Link(after.sequence + 1, self.hash_of(body))
        return body + _HASH_FIELD + link.hash.encode() + _CLOSING + b"\n", link

    def holds(self, line: bytes) -> bool:
        """Say whether a line (with or without its newline) carries the hash of its own content."""
        line = line.rstrip(b"\n")
        tail = line[-_HASH_TAIL:]
        return (
            tail.startswith(_HASH_FIELD)
            and tail.endswith(_CLOSING)
            and hmac.compare_digest(tail[len(_HASH_FIELD) : -len(_CLOSING)], self.hash_of(line[:-_HASH_TAIL]).encode())
        )


def link_of(line: bytes) -> Link:
    """Read the link from a line with a valid seal."""
    line = line.rstrip(b"\n")
    return Link(_sequence_of(line), line[-len(_CLOSING) - 64 : -len(_CLOSING)].decode())


def is_readable(line: bytes) -> bool:
    """Say whether a line is a JSON object. An interrupted write leaves none, except the whole line without newline."""
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def follow(lines: Iterable[bytes], seal: Seal, after: Link) -> Iterator[tuple[bytes, Link] | ChainFault]:
    """Walk a log from a known link, yielding each good line with its link, and at most one fault, the last item.

    Args:
        lines: The lines after `after`, in the order of the file.
        seal: The workspace's key.
        after: The link that the first line must follow.
    """
    remaining = iter(lines)
    for line in remaining:
        expected = after.sequence + 1
        if not seal.holds(line):
            yield _broken(line, expected)
            return
        link = link_of(line)
        if link.sequence != expected:
            yield _out_of_place(link.sequence, expected, remaining)
            return
        # The last thing in the body is "previous_hash":"<64>", straight before the hash field.
        if line.rstrip(b"\n")[-_HASH_TAIL - 65 : -_HASH_TAIL - 1] != after.hash.encode():
            yield ChainFault(
                expected,
                Damage.UNCHAINED,
                f"record {expected} is intact, but follows a different record {after.sequence}",
            )
            return
        yield line, link
        after = link


def _broken(line: bytes, expected: int) -> ChainFault:
    if not is_readable(line):
        return ChainFault(expected, Damage.UNREADABLE, f"the line of record {expected} is damaged and cannot be read")
    return ChainFault(expected, Damage.EDITED, f"record {expected} was edited: its content does not match its hash")


def _out_of_place(found: int, expected: int, remaining: Iterator[bytes]) -> ChainFault:
    if found < expected:
        return ChainFault(found, Damage.REPEATED, f"record {found} appears again in the place of record {expected}")
    if any(_sequence_of(line) == expected for line in remaining):
        return ChainFault(expected, Damage.REORDERED, f"record {expected} was moved: record {found} is in its place")
    last = found - 1
    which = f"record {expected} is" if last == expected else f"records {expected} to {last} are"
    return ChainFault(expected, Damage.MISSING, f"{which} missing: record {found} follows record {expected - 1}")


def _sequence_of(line: bytes) -> int:
    """Read the sequence at the start of a line; -1 if there is none."""
    if not line.startswith(_SEQUENCE_FIELD):
        return -1
    digits = line[len(_SEQUENCE_FIELD) : line.find(b",", len(_SEQUENCE_FIELD))]
    try:
        return whole_number(digits.decode("ascii"))
    except ValueError:
        return -1
