"""Typed documents of one table, changed only by those who have seen their latest revision."""

from collections import OrderedDict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from core.clock import to_iso
from core.state.encoding import plain
from core.state.errors import (
    DocumentExistsError,
    DocumentFormatError,
    DocumentNotFoundError,
    StaleRevisionError,
)
from core.state.generation import ABSENT, Signature
from core.state.storage import GenerationStorage

T = TypeVar("T", bound=msgspec.Struct)

_N_SUPERSEDED = 512
"""How many earlier revisions are remembered, to say what changed since."""


class Documents(Generic[T]):
    """The documents of one table, by key.

    Reads outside a transaction share one converted copy per generation of the file: documents are frozen, and what
    they contain must not be changed in place. To change one, `replace` it with the outcome of
    `msgspec.structs.replace`.
    """

    def __init__(self, storage: GenerationStorage, table: str, struct: type[T], key: str) -> None:
        fields = struct.__struct_fields__
        if key not in fields or "revision" not in fields:
            raise TypeError(f"{struct.__name__} needs the fields {key} and revision, to be stored by {key}")
        self._storage = storage
        self._table = table
        self._struct = struct
        self._key = key
        self._converted: tuple[Signature, dict[str, T]] = (ABSENT, {})
        self._superseded: OrderedDict[tuple[str, int], T] = OrderedDict()

    def all(self) -> list[T]:
        """Return every document, in the order in which they were first stored."""
        return list(self._by_key().values())

    def find(self, key: str) -> T | None:
        """Return the document of this key, or None."""
        signature, stored = self._read()
        if signature is not None:
            return self._by_key().get(key)
        found = self._stored(key, stored)
        return None if found is None else self._convert(found[1])

    def get(self, key: str) -> T:
        """Return the document of this key.

        Raises:
            DocumentNotFoundError: There is none; the message names the nearest keys.
        """
        found = self.find(key)
        if found is None:
            raise DocumentNotFoundError(self._table, key, self._keys())
        return found

    def insert(self, document: T) -> T:
        """Store a new document.

        Returns:
            The document at revision 1.

        Raises:
            DocumentExistsError: There is one of this key already.
            UnstorableValueError: A value has no faithful spelling in JSON.
        """
        key = self._key_of(document)
        with self._storage.transaction():
            _, stored = self._read()
            if self._stored(key, stored) is not None:
                raise DocumentExistsError(self._table, key)
            inserted = msgspec.structs.replace(document, revision=1)
            doc_id = max(map(int, stored), default=0) + 1
            self._storage.write_table(self._table, stored | {str(doc_id): self._plain(key, inserted)})
            return inserted

    def replace(self, document: T, *, expected_revision: int | None = None) -> T:
        """Store a document in the place of the one of the same key, if nobody else has done so meanwhile.

        Args:
            document: The new content.
            expected_revision: The revision that the decision to change it was made on; the document's own by default.

        Returns:
            The document at its next revision.

        Raises:
            DocumentNotFoundError: There is none of this key.
            StaleRevisionError: It was changed meanwhile; the message says what, and by whom if the document knows.
            UnstorableValueError: A value has no faithful spelling in JSON.
        """
        key = self._key_of(document)
        expected = self._revision_of(document) if expected_revision is None else expected_revision
        with self._storage.transaction():
            _, stored = self._read()
            doc_id, current = self._required(key, stored)
            if current.get("revision", 0) != expected:
                raise self._stale(key, expected, self._convert(current))
            self._remember(key, self._convert(current))
            replaced = msgspec.structs.replace(document, revision=expected + 1)
            self._storage.write_table(self._table, stored | {doc_id: self._plain(key, replaced)})
            return replaced

    def remove(self, key: str) -> None:
        """Remove a document.

        Raises:
            DocumentNotFoundError: There is none of this key.
        """
        with self._storage.transaction():
            _, stored = self._read()
            doc_id, _ = self._required(key, stored)
            self._storage.write_table(self._table, {i: document for i, document in stored.items() if i != doc_id})

    def _read(self) -> tuple[Signature | None, dict[str, dict[str, Any]]]:
        return self._storage.read_table(self._table)

    def _by_key(self) -> dict[str, T]:
        signature, stored = self._read()
        converted_from, converted = self._converted
        if signature is not None and signature == converted_from:
            return converted
        by_key = {self._key_of(document): document for document in map(self._convert, stored.values())}
        if signature is not None:
            self._remember_superseded(converted, by_key)
            self._converted = (signature, by_key)
        return by_key

    def _convert(self, stored: dict[str, Any]) -> T:
        try:
            return msgspec.convert(stored, self._struct)
        except msgspec.ValidationError as error:
            raise DocumentFormatError(self._path, self._table, stored.get(self._key), str(error)) from error

    def _plain(self, key: str, document: T) -> dict[str, Any]:
        spelled: dict[str, Any] = plain(msgspec.to_builtins(document), f"{self._table} {key}")
        return spelled

    def _keys(self) -> Iterator[str]:
        return (str(document.get(self._key)) for document in self._read()[1].values())

    def _stored(self, key: str, stored: dict[str, dict[str, Any]]) -> tuple[str, dict[str, Any]] | None:
        return next((item for item in stored.items() if item[1].get(self._key) == key), None)

    def _required(self, key: str, stored: dict[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
        found = self._stored(key, stored)
        if found is None:
            raise DocumentNotFoundError(self._table, key, self._keys())
        return found

    def _stale(self, key: str, expected: int, current: T) -> StaleRevisionError:
        seen = self._superseded.get((key, expected))
        if seen is None and (known := self._converted[1].get(key)) is not None and self._revision_of(known) == expected:
            seen = known
        changes = {
            field: (getattr(seen, field), now)
            for field in self._struct.__struct_fields__
            if field != "revision" and seen is not None and getattr(seen, field) != (now := getattr(current, field))
        }
        changed_at = getattr(current, "updated_at", None)
        return StaleRevisionError(
            self._table,
            key,
            expected=expected,
            found=self._revision_of(current),
            changes=changes,
            by=getattr(current, "updated_by", None),
            at=to_iso(changed_at) if isinstance(changed_at, datetime) else changed_at,
        )

    def _remember_superseded(self, before: dict[str, T], now: dict[str, T]) -> None:
        for key, document in before.items():
            successor = now.get(key)
            if successor is not None and self._revision_of(successor) != self._revision_of(document):
                self._remember(key, document)

    def _remember(self, key: str, document: T) -> None:
        self._superseded[key, self._revision_of(document)] = document
        while len(self._superseded) > _N_SUPERSEDED:
            self._superseded.popitem(last=False)

    @property
    def _path(self) -> Path:
        return self._storage.path

    def _key_of(self, document: T) -> str:
        key: str = getattr(document, self._key)
        return key

    @staticmethod
    def _revision_of(document: Any) -> int:
        revision: int = document.revision
        return revision
