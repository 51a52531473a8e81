"""Typed documents of one table with optimistic locking: a change must name the latest revision."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

import msgspec
import orjson

from core.escape import is_shown_as_is, shown
from core.json_documents import decode_json
from core.state.brief import brief_type, in_brief, place, whole
from core.state.encoding import (
    DocumentInFile,
    SpelledDocument,
    StoredDocument,
    StoredTable,
    exactly,
    fields_of,
    spelled,
    spelled_document,
)
from core.state.errors import (
    DamagedFileError,
    DocumentExistsError,
    DocumentFormatError,
    DocumentNotFoundError,
    StaleRevisionError,
    UnstorableValueError,
)
from core.state.storage import GenerationStorage

T = TypeVar("T", bound=msgspec.Struct)

_N_SUPERSEDED = 64
_SUPERSEDED_BYTES = 256 << 10
"""How many earlier revisions of a table are cached, to report the changes since: in JSON, whose objects would take four
times as much. Each epoch makes a revision of its session, of 13 KiB; a minute of an engine's changes is enough."""

_NO_DOCUMENTS: StoredTable = {}


class _View(Generic[T]):
    """A table at one instant, and its documents converted so far."""

    __slots__ = ("converted", "doc_ids", "keys", "stored")

    def __init__(self, stored: StoredTable, keys: dict[str, Any], doc_ids: dict[Any, str], converted: dict[str, T]):
        self.stored = stored
        self.keys = keys  # by number
        self.doc_ids = doc_ids  # by key
        self.converted = converted

    def of(self, stored: StoredTable, key_of: Callable[[Any], Any]) -> "_View[T]":
        """Return the view of a later or earlier state of the table."""
        seen, keys = self.stored, self.keys
        known = dict(self.converted)  # a copy: other threads convert documents at the same time
        # Stored documents are replaced and never changed in place: the same object is the same document.
        same = {n for n, document in stored.items() if seen.get(n) is document}
        moved = {n for n, document in stored.items() if n not in same and _is_moved(seen.get(n), document)}
        same |= moved
        keys = {n: keys[n] if n in same else key_of(document) for n, document in stored.items()}
        converted = {n: document for n, document in known.items() if n in same}
        for n in moved & converted.keys():
            place(converted[n], stored[n])
        return _View(stored, keys, {key: doc_id for doc_id, key in keys.items()}, converted)

    def changed(self, stored: StoredTable, changed: Mapping[str, Any], removed: Iterable[str] = ()) -> "_View[T]":
        """Return the view after a change of some documents: cheaper than `of`, which looks at all.

        Args:
            stored: The table now.
            changed: The keys of the documents that were written, by number.
            removed: The numbers of those that were removed.
        """
        keys, doc_ids, converted = dict(self.keys), dict(self.doc_ids), dict(self.converted)
        for doc_id in removed:
            del doc_ids[keys.pop(doc_id)]
            converted.pop(doc_id, None)
        for doc_id, key in changed.items():
            keys[doc_id] = key
            doc_ids[key] = doc_id
            converted.pop(doc_id, None)
        return _View(stored, keys, doc_ids, converted)


class Documents(Generic[T]):
    """The documents of one table, by key.

    Documents are frozen and shared between readers, so their contents must not be changed in place. To change a
    document, `replace` it with the result of `msgspec.structs.replace`. A type of which there is no end names in
    `MOST_HELD` how many of the newest are held; older documents are read from the bytes whenever they are asked for.
    """

    def __init__(self, storage: GenerationStorage, table: str, struct: type[T], key: str) -> None:
        fields = struct.__struct_fields__
        if key not in fields or "revision" not in fields:
            raise TypeError(f"{struct.__name__} needs the fields {key} and revision to be stored by {key}")
        self._storage = storage
        self._table = table
        self._struct = struct
        self._key = key
        self._most_held: int = getattr(struct, "MOST_HELD", sys.maxsize)
        self._takes_any_name: bool = getattr(struct, "TAKES_ANY_NAME", False)
        self._key_only = msgspec.defstruct("_KeyOnly", [(key, Any, None)])
        self._brief = brief_type(struct)
        self._committed = _View[T](_NO_DOCUMENTS, {}, {}, {})
        self._uncommitted = self._committed
        self._superseded: dict[tuple[str, int], T | bytes] = {}

    def all(self) -> list[T]:
        """Return every document, in the order in which they were first stored.

        The large fields of documents in brief are read when somebody asks for them (`core.state.brief`).
        """
        view = self._view()
        if len(view.converted) < len(view.stored):
            with self._storage.one_reader():
                return [self._listed(view, doc_id) for doc_id in view.stored]
        return [self._listed(view, doc_id) for doc_id in view.stored]

    def all_keys(self) -> list[str]:
        """Return the key of every document, in the order of `all`, without reading one."""
        return list(self._view().doc_ids)

    def listed(self, keys: Iterable[str]) -> list[T]:
        """Return the documents with these keys, in the order of the keys, as `all` does.

        Raises:
            DocumentNotFoundError: There is none of a key; the message names the nearest keys.
        """
        view = self._view()
        return [self._listed(view, self._doc_id(view, key)) for key in keys]

    def found(self, keys: Iterable[str]) -> Iterator[T]:
        """Yield those documents with these keys that exist, in the order of the keys, as `all` lists them."""
        view = self._view()
        for key in keys:
            if (doc_id := view.doc_ids.get(key)) is not None:
                yield self._listed(view, doc_id)

    def readable(self) -> tuple[list[T], dict[str, DocumentFormatError]]:
        """Return the documents that can be read, in the order of `all`, and by key why the others cannot."""
        view = self._view()
        found: list[T] = []
        problems: dict[str, DocumentFormatError] = {}
        for doc_id in view.stored:
            try:
                found.append(self._listed(view, doc_id))
            except DocumentFormatError as error:
                problems[str(view.keys[doc_id])] = error
        return found, problems

    def find(self, key: str) -> T | None:
        """Return the document with this key, or None."""
        view = self._view()
        doc_id = view.doc_ids.get(key)
        return None if doc_id is None else self._document(view, doc_id)

    def get(self, key: str) -> T:
        """Return the document with this key.

        Raises:
            DocumentNotFoundError: There is none; the message names the nearest keys.
        """
        view = self._view()
        return self._document(view, self._doc_id(view, key))

    def insert(self, document: T) -> T:
        """Store a new document.

        Returns:
            The document at revision 1.

        Raises:
            DocumentExistsError: A document with this key already exists.
            UnstorableValueError: JSON cannot represent a value exactly.
        """
        return self.insert_all([document])[0]

    def insert_all(self, documents: Iterable[T]) -> list[T]:
        """Store new documents: one step of work for each, where `insert` looks at the whole table each time.

        Returns:
            The documents at revision 1.

        Raises:
            DocumentExistsError: A document with one of the keys already exists; nothing was stored.
            UnstorableValueError: JSON cannot represent a value exactly; nothing was stored.
        """
        with self._storage.transaction():
            view = self._view()
            number = max(map(int, view.stored), default=0)
            new: dict[str, T] = {}
            for document in documents:
                key = self._key_of(document)
                if key in view.doc_ids or key in new:
                    raise DocumentExistsError(self._table, key)
                new[key] = msgspec.structs.replace(document, revision=1)
            return self._write(view, {str(number + n): document for n, document in enumerate(new.values(), start=1)})

    def replace(self, document: T, *, expected_revision: int | None = None) -> T:
        """Replace the document with the same key, unless someone else has changed it first.

        Args:
            document: The new content.
            expected_revision: The revision that the decision was based on; by default the document's own.

        Returns:
            The document at its next revision.

        Raises:
            DocumentNotFoundError: There is none of this key.
            StaleRevisionError: It was changed meanwhile; the message says what, and by whom if the document knows.
            UnstorableValueError: A value has no faithful spelling in JSON.
        """
        expected = _revision(document) if expected_revision is None else expected_revision
        with self._storage.transaction():
            view = self._view()
            doc_id = self._doc_id(view, self._key_of(document))
            current = self._document(view, doc_id)
            if _revision(current) != expected:
                raise self._stale(expected, current)
            return self._write(view, {doc_id: msgspec.structs.replace(document, revision=expected + 1)})[0]

    def replace_all(self, documents: Iterable[T]) -> list[T]:
        """Replace documents: one step of work for each, where `replace` looks at the whole table each time.

        Returns:
            The documents at their next revisions.

        Raises:
            DocumentNotFoundError: There is none of a key; nothing was replaced.
            StaleRevisionError: One was changed meanwhile; nothing was replaced.
            UnstorableValueError: A value has no faithful spelling in JSON; nothing was replaced.
        """
        with self._storage.transaction():
            view = self._view()
            changed: dict[str, T] = {}
            for document in documents:
                doc_id = self._doc_id(view, self._key_of(document))
                current = changed.get(doc_id) or self._document(view, doc_id)
                if _revision(current) != _revision(document):
                    raise self._stale(_revision(document), current)
                changed[doc_id] = msgspec.structs.replace(document, revision=_revision(document) + 1)
            return self._write(view, changed)

    def remove(self, key: str, *, expected_revision: int | None = None) -> None:
        """Remove a document.

        Args:
            key: Which.
            expected_revision: The revision that the decision was based on; by default the current revision.

        Raises:
            DocumentNotFoundError: There is none of this key.
            StaleRevisionError: It was changed meanwhile.
        """
        with self._storage.transaction():
            view = self._view()
            if expected_revision is not None:
                current = self._document(view, self._doc_id(view, key))
                if _revision(current) != expected_revision:
                    raise self._stale(expected_revision, current)
            self.remove_all([key])

    def remove_all(self, keys: Iterable[str]) -> None:
        """Remove documents: one step of work for each, where `remove` looks at the whole table each time.

        Raises:
            DocumentNotFoundError: There is none of a key; nothing was removed.
        """
        with self._storage.transaction():
            view = self._view()
            going = {self._doc_id(view, key) for key in keys}
            stored = {doc_id: document for doc_id, document in view.stored.items() if doc_id not in going}
            self._storage.write_table(self._table, stored)
            self._uncommitted = view.changed(stored, {}, going)

    def _view(self) -> _View[T]:
        """Return the table as the calling thread sees it now."""
        stored = self._storage.read().get(self._table, _NO_DOCUMENTS)
        if stored is self._committed.stored:
            return self._committed
        if self._storage.in_transaction:
            uncommitted = self._uncommitted
            if stored is not uncommitted.stored:
                uncommitted = self._uncommitted = self._committed.of(stored, self._stored_key)
            return uncommitted
        with self._storage.one_reader():
            return self._newly_committed(stored)

    def _newly_committed(self, stored: StoredTable) -> _View[T]:
        committed, uncommitted = self._committed, self._uncommitted
        if stored is committed.stored:  # another thread was faster
            return committed
        view = uncommitted if stored is uncommitted.stored else committed.of(stored, self._stored_key)
        self._let_go(view)
        self._committed = view
        left = {n: d for n, d in dict(committed.converted).items() if stored.get(n) is not committed.stored[n]}
        replaced = {n: document for n, document in left.items() if view.converted.get(n) is not document}
        if len(replaced) < len(left):  # a later file has the others: nothing keeps the earlier one open any longer
            self._superseded = _without_places(self._superseded)
        for doc_id, document in replaced.items():
            self._remember(document, committed.stored[doc_id], stored.get(doc_id))
        return view

    def _document(self, view: _View[T], doc_id: str) -> T:
        """Return one document with all of its fields."""
        document = self._listed(view, doc_id)
        if self._brief is not None and isinstance(document, self._brief):
            return self._convert(view.stored[doc_id])  # for one caller, and so for a moment
        return document

    def _listed(self, view: _View[T], doc_id: str) -> T:
        """Return one of many documents, in brief if its type says how."""
        document = view.converted.get(doc_id)
        if document is None:
            found = self._convert(view.stored[doc_id], brief=self._brief)
            if not self._is_held(view.stored, doc_id):
                return found
            document = view.converted.setdefault(doc_id, found)  # all threads share one object
        return document

    def _is_held(self, stored: StoredTable, doc_id: str) -> bool:
        """Whether a document stays converted once it was read: of some tables, the newest alone."""
        return int(doc_id) > int(next(reversed(stored))) - self._most_held

    def _let_go(self, view: _View[T]) -> None:
        """Forget the documents of a new view that have become too old to be held."""
        if self._most_held < sys.maxsize:
            for doc_id in [number for number in view.converted if not self._is_held(view.stored, number)]:
                del view.converted[doc_id]

    def _convert(self, stored: StoredDocument, *, brief: type[T] | None = None) -> T:
        try:
            if brief is not None and isinstance(stored, DocumentInFile):
                return in_brief(stored, brief)
            # Through bytes: for a field without a precise type, `msgspec.convert` returns the stored lists and dicts
            # themselves, and a caller that changed them would change the file.
            spelled_out = stored.read() if isinstance(stored, DocumentInFile) else orjson.dumps(stored)
            return decode_json(spelled_out, self._struct)
        except msgspec.ValidationError as error:
            name = fields_of(stored).get(self._key)
            raise DocumentFormatError(self._storage.path, self._table, name, str(error)) from error

    def _stored_key(self, stored: StoredDocument) -> Any:
        if isinstance(stored, DocumentInFile):
            return getattr(decode_json(stored.read(), self._key_only), self._key)
        return stored.get(self._key)

    def _doc_id(self, view: _View[T], key: str) -> str:
        doc_id = view.doc_ids.get(key)
        if doc_id is None:
            raise DocumentNotFoundError(self._table, key, map(str, view.doc_ids))
        return doc_id

    def _write(self, view: _View[T], documents: Mapping[str, T]) -> list[T]:
        """Write documents by their numbers; return them as they read back."""
        spelled_out, read_back = {}, {}
        for doc_id, document in documents.items():
            spelled_out[doc_id], read_back[doc_id] = self._spelled(view, doc_id, document)
        table = view.stored | spelled_out
        self._storage.write_table(self._table, table)
        self._uncommitted = view.changed(table, {doc_id: self._key_of(found) for doc_id, found in read_back.items()})
        return list(read_back.values())

    def _spelled(self, view: _View[T], doc_id: str, document: T) -> tuple[SpelledDocument, T]:
        where = f"{self._table} {self._key_of(document)}"
        fields = spelled(whole(document), where)
        new_names = _unshown_names(fields)
        if new_names:  # an old one may stay
            new_names -= _unshown_names(fields_of(view.stored.get(doc_id, {})))
        for name in () if self._takes_any_name else new_names:
            raise UnstorableValueError(where, f"has the name {shown(name)}, with characters that no terminal shows")
        stored = spelled_document(fields, where)
        # A struct does not check its fields when it is made: a document of the wrong type would be unreadable for good.
        try:
            read_back = self._convert(stored)
        except DocumentFormatError as error:
            raise UnstorableValueError(where, f"would not read back: {error.problem}") from None
        return stored, read_back

    def _stale(self, expected: int, current: T) -> StaleRevisionError:
        key = self._key_of(current)
        changes: dict[str, tuple[object, object]] = {}
        if (seen := self._earlier(key, expected)) is not None:
            for field in self._struct.__struct_fields__:
                before, now = getattr(seen, field), getattr(current, field)
                if before != now and field != "revision":
                    changes[field] = (before, now)
        changed_at = getattr(current, "updated_at", None)
        return StaleRevisionError(
            self._table,
            getattr(current, "full_name", key),
            expected=expected,
            found=_revision(current),
            changes=changes,
            by=getattr(current, "updated_by", None),
            at=changed_at,
        )

    def _earlier(self, key: str, revision: int) -> T | None:
        """Return a cached earlier revision."""
        committed = self._committed
        known = committed.converted.get(committed.doc_ids.get(key, ""))
        if known is not None and _revision(known) == revision:
            return known
        superseded = self._superseded.get((key, revision))
        return decode_json(superseded, self._struct) if isinstance(superseded, bytes) else superseded

    def _remember(self, document: T, was: StoredDocument, now: StoredDocument | None) -> None:
        """Cache a document that another has replaced; a document that was only read again has the same revision."""
        name = (self._key_of(document), _revision(document))
        if name in self._superseded:
            return
        if now is not None and fields_of(now).get("revision") == name[1]:
            return
        if isinstance(was, SpelledDocument):
            remembered: T | bytes = was.spelled_out
        elif self._brief is not None and isinstance(document, self._brief):
            remembered = document  # it is small, and its large fields are still in their file
        else:
            remembered = exactly(msgspec.json.encode(document))
        superseded = {**self._superseded, name: remembered}
        while len(superseded) > _N_SUPERSEDED or sum(map(_n_bytes, superseded.values())) > _SUPERSEDED_BYTES:
            del superseded[next(iter(superseded))]
        self._superseded = superseded  # replaced whole: another thread may be doing the same

    def _key_of(self, document: T) -> str:
        key: str = getattr(document, self._key)
        return key


def _is_moved(before: StoredDocument | None, now: StoredDocument) -> bool:
    """Whether a document has another place and is the same, byte for byte: in an archive file, or in a later file."""
    if not (isinstance(before, DocumentInFile) and isinstance(now, DocumentInFile)):
        return False
    try:
        # As bytes: views are compared item by item.
        return before.end - before.start == now.end - now.start and bytes(before.read()) == bytes(now.read())
    except DamagedFileError:  # the earlier file was written into; a damaged new one is refused when its turn comes
        return False


def _without_places(superseded: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return earlier revisions as bytes: a place keeps a whole file open, with the places of all its documents."""
    found = dict(superseded)
    for name, document in superseded.items():
        if not isinstance(document, bytes):
            try:
                found[name] = exactly(msgspec.json.encode(whole(document)))
            except DamagedFileError:
                del found[name]
    return found


def _n_bytes(superseded: Any) -> int:
    return len(superseded) if isinstance(superseded, bytes) else 0


def _unshown_names(value: Any) -> frozenset[str]:
    """Return the names in a document, of tags, metrics, parameters and such, that a terminal would obey or hide."""
    if isinstance(value, dict):
        words = [*value, *(word for word in _tags_of(value) if isinstance(word, str))]
        return frozenset(word for word in words if not is_shown_as_is(word)).union(*map(_unshown_names, value.values()))
    if isinstance(value, list):
        return frozenset().union(*map(_unshown_names, value))
    return frozenset()


def _tags_of(document: dict[str, Any]) -> Iterable[Any]:
    tags = document.get("tags")
    return tags.values() if isinstance(tags, dict) else ()


def _revision(document: Any) -> int:
    revision: int = document.revision
    return revision
