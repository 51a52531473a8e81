"""Digests of documents, recorded with the change that wrote them, so that an edit outside the program shows.

The chain proves the log. It does not prove the state files: a stage changed with an editor leaves the log intact. So
each record carries the digests of all documents that its transaction wrote, and `verify` compares them.
"""

from collections.abc import Collection, Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from core.files import digest
from core.state.encoding import StoredDocument, Tables, fields_of

_NEVER = frozenset({"outbox", "alerts", "pending_alerts", "rule_groups", "anomaly_models", "holds"})
"""Tables that change without a record: changes that wait for the log, alerts of the engine, what their rules wait for,
and derived figures."""

_NEVER_FILES = frozenset({"monitoring", "notifications", "replicas", "routing", "token_uses", "webhooks"})
"""State files of which all tables change without a record: what the engine observes of live versions, has told other
programs or reads in a file, and when a token was last used or a replica last asked, is no decision."""

_ROLLOUTS, _ENGINES_PART = "rollouts", "observed"
_DECIDED = frozenset(
    {"phase", "phase_since", "step", "step_since", "share", "started_at", "deadline_at", "ended_at", "n_before_step"}
)
"""The fields of the engine's part of a rollout that only a recorded change moves; the rest advances between records."""

_RETRAININGS, _NOTED = "retrainings", "reason"
"""A retraining says in its reason what it waits for, between records; the reasons of decisions stand in its events."""

_STAMPS = frozenset({"updated_at", "updated_by", "revision"})

REMOVED = ""
"""The digest of a document that was removed."""


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
        old, new = before.get(table, {}), after.get(table, {})
        if old is new or not is_recorded(database, table):
            continue
        for number, document in new.items():
            if old.get(number) is not document:
                changed[name_of(database, table, number)] = digest_of(table, document)
        changed |= {name_of(database, table, number): REMOVED for number in old if number not in new}
    return changed


def name_of(database: str, table: str, number: str) -> str:
    """Return the name of a document in the records: "registry/versions/3"."""
    return f"{database}/{table}/{number}"


def is_recorded(database: str, table: str) -> bool:
    """Whether every change of a table has a record."""
    return database not in _NEVER_FILES and table not in _NEVER


def digest_of(table: str, document: StoredDocument) -> str:
    """Return 128 bits of the SHA-256 of the recorded fields of a document, as hex digits."""
    recorded = fields_of(document)
    if table == _ROLLOUTS:
        recorded = {name: value for name, value in recorded.items() if name not in _STAMPS}
        observed = recorded.get(_ENGINES_PART) or {}
        recorded[_ENGINES_PART] = {name: value for name, value in observed.items() if name in _DECIDED}
    elif table == _RETRAININGS:
        recorded = {name: value for name, value in recorded.items() if name not in _STAMPS}
        observed = recorded.get(_ENGINES_PART) or {}
        recorded[_ENGINES_PART] = {name: value for name, value in observed.items() if name != _NOTED}
    return digest(orjson.dumps(recorded, option=orjson.OPT_SORT_KEYS))[:32]


class Witness:
    """What the records say about documents, read in order."""

    def __init__(self, *, remembers: bool = False) -> None:
        """Begin to listen.

        Args:
            remembers: Keep every digest that a record ever named, for `judged`, and not the last ones alone.
        """
        self._last: dict[str, tuple[str, int, str]] = {}  # digest, sequence, and what the record was about
        self._ever: set[tuple[str, str]] | None = set() if remembers else None
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
            self._last[name] = found, sequence, f"{record['verb']} {record['object']}"
            if self._ever is not None:
                self._ever.add((name, found))

    def hear_all(self, records: Iterable[tuple[int, Mapping[str, Any]]]) -> None:
        """Read several records, each with its position."""
        for sequence, record in records:
            self.hear(sequence, record)

    @property
    def databases(self) -> set[str]:
        """The databases of which some document must exist."""
        return {name.partition("/")[0] for name, (found, _, _) in self._last.items() if found != REMOVED}

    def has_heard(self, record_id: str) -> bool:
        """Whether a record was read."""
        return record_id in self._heard

    def vouches_for(self, name: str, found: str) -> bool:
        """Whether some record, not only the last, left a document like this, or none can tell.

        Args:
            name: The document, as in `changed_documents`.
            found: Its digest.
        """
        assert self._ever is not None, "a witness that vouches must remember"
        says_nothing = name not in self._last and not (self._covers_all and self._heard)
        return says_nothing or (name, found) in self._ever

    def lost(self, database: str, present: Container[str]) -> list[str]:
        """Name the documents of a database that the last records left, and that are not present."""
        left = (name for name, (found, _, _) in self._last.items() if found != REMOVED)
        return [name for name in left if name.startswith(f"{database}/") and name not in present]

    def mismatches(self, database: str, tables: Tables) -> Iterable[Mismatch]:
        """Compare the documents of one database with their last records.

        Where some records are older than digests, a document that no digest is about proves nothing, and passes.
        """
        present = changed_documents(database, {}, tables)
        for name, found in present.items():
            if name not in self._last:
                if self._covers_all:
                    yield Mismatch(name, 0, f"{spelled(name)} exists, and no record is about it")
            elif self._last[name][0] != found:
                yield self._differs(name, "it was changed outside the program, or an older file was put back")
        for name in self.lost(database, present):
            yield self._differs(name, "it is missing")

    def _differs(self, name: str, how: str) -> Mismatch:
        _, sequence, about = self._last[name]
        return Mismatch(name, sequence, f"{spelled(name)} is not what record {sequence} ({about}) left: {how}")


def spelled(name: str) -> str:
    """Spell the name of a document: where a person finds it."""
    database, table, number = name.split("/")
    return f"document {number} of {table} in state/{database}.json"


def unvouched_sentence(names: Collection[str]) -> str:
    """Say of documents that no record left them as they are, and what follows from that."""
    first = spelled(next(iter(names)))
    them = first if len(names) == 1 else f"{first} and {len(names) - 1:,} more documents"
    verb = "differs" if len(names) == 1 else "differ"
    return f"{them[0].upper()}{them[1:]} {verb} from all that the records left: `bondx audit verify` goes on to say so"
