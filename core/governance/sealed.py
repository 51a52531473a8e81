"""Digests of documents, recorded with the change that wrote them, so that an edit outside the program shows.

The chain proves the log. It does not prove the state files: a stage changed with an editor leaves the log intact. So
each record carries the digests of all documents that its transaction wrote, and `verify` compares them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from core.files import digest
from core.state.encoding import Tables

_NEVER = frozenset({"outbox", "alerts", "holds"})
"""Tables that change without a record: changes that wait for the log, alerts of the engine, and derived figures."""

_ROLLOUTS, _ENGINES_PART = "rollouts", "observed"
_DECIDED = frozenset({"phase", "step", "share", "started_at", "ended_at"})
"""The fields of the engine's part of a rollout that only a recorded change moves; the rest advances between records."""

_STAMPS = frozenset({"updated_at", "updated_by", "revision"})

REMOVED = ""
"""The digest of a document that was removed."""

_ALL = "*"
"""In place of table and number: what earlier records say about any document of the database no longer counts."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A document that is not what its last record left."""

    document: str  # "registry/versions/3"
    sequence: int  # of its last record; 0 if no record is about it
    sentence: str


def changed_documents(database: str, before: Tables, after: Tables) -> dict[str, str]:
    """Return the digest of every document that a transaction wrote or removed.

    Args:
        database: The name of the state file.
        before: Its tables when the transaction began; documents are replaced and never changed in place.
        after: Its tables now.
    """
    changed = {}
    for table in {**before, **after}:
        if table in _NEVER:
            continue
        old, new = before.get(table, {}), after.get(table, {})
        for number in {**old, **new}:
            if old.get(number) is not new.get(number):
                name = f"{database}/{table}/{number}"
                changed[name] = _digest_of(table, new[number]) if number in new else REMOVED
    return changed


def restored_documents(database: str, restored: Tables) -> dict[str, str]:
    """Return the digest of every document of a database that was restored: none is as its record left it.

    Args:
        database: The name of the state file.
        restored: Its tables now.
    """
    return {f"{database}/{_ALL}": REMOVED, **changed_documents(database, {}, restored)}


def _digest_of(table: str, document: Mapping[str, Any]) -> str:
    """Return 128 bits of the SHA-256 of the recorded fields of a document, as hex digits."""
    recorded = dict(document)
    if table == _ROLLOUTS:
        recorded = {name: value for name, value in document.items() if name not in _STAMPS}
        observed = recorded.get(_ENGINES_PART) or {}
        recorded[_ENGINES_PART] = {name: value for name, value in observed.items() if name in _DECIDED}
    return digest(orjson.dumps(recorded, option=orjson.OPT_SORT_KEYS))[:32]


class Witness:
    """What the records say about documents, read in order."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[str, int, str]] = {}  # digest, sequence, and what the record was about
        self._heard: set[str] = set()  # ids: a logged record stays in the outbox until the next change
        self._covers_all = True

    def hear(self, sequence: int, record: Mapping[str, Any]) -> None:
        """Read one record.

        Args:
            sequence: Its position in the log.
            record: Its fields; one made before records carried digests has no `documents`.
        """
        if record["id"] in self._heard:
            return
        self._heard.add(record["id"])
        documents = record.get("documents")
        if documents is None:
            self._covers_all = False
            return
        for name, found in documents.items():
            if name.endswith(f"/{_ALL}"):
                self._forget(name.removesuffix(_ALL))
                continue
            self._last[name] = found, sequence, f"{record['verb']} {record['object']}"

    def mismatches(self, database: str, tables: Tables) -> Iterable[Mismatch]:
        """Compare the documents of one database with their last records.

        Where some records are older than digests, a document that no digest is about proves nothing, and passes.
        """
        present = {
            f"{database}/{table}/{number}": _digest_of(table, document)
            for table, documents in tables.items()
            if table not in _NEVER
            for number, document in documents.items()
        }
        for name, found in present.items():
            if name not in self._last:
                if self._covers_all:
                    yield Mismatch(name, 0, f"{_spelled(name)} exists, and no record is about it")
            elif self._last[name][0] != found:
                yield self._differs(name, "it was changed outside the program, or an older file was put back")
        for name, (expected, _, _) in self._last.items():
            if expected != REMOVED and name.startswith(f"{database}/") and name not in present:
                yield self._differs(name, "it is missing")

    def _forget(self, prefix: str) -> None:
        self._last = {name: last for name, last in self._last.items() if not name.startswith(prefix)}

    def _differs(self, name: str, how: str) -> Mismatch:
        _, sequence, about = self._last[name]
        return Mismatch(name, sequence, f"{_spelled(name)} is not what record {sequence} ({about}) left: {how}")


def _spelled(name: str) -> str:
    database, table, number = name.split("/")
    return f"document {number} of {table} in state/{database}.json"
