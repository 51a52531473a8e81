"""TinyDB over safe storage: the same tables and queries, with transactions."""

import copy
import functools
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import msgspec
import orjson
from tinydb import TinyDB
from tinydb.table import Document, Table

from core.state.documents import Documents
from core.state.encoding import DocumentInFile, fields_of, plain
from core.state.generation import FileSignature
from core.state.storage import GenerationStorage

T = TypeVar("T", bound=msgspec.Struct)
P = ParamSpec("P")
R = TypeVar("R")


def _in_transaction(method: Callable[Concatenate["SafeTable", P], R]) -> Callable[Concatenate["SafeTable", P], R]:
    """Run a method of a table from its first look at the data to its last write inside one transaction."""

    @functools.wraps(method)
    def locked(self: "SafeTable", *args: P.args, **kwargs: P.kwargs) -> R:
        with self.storage.transaction():
            # TinyDB caches the next id between calls and takes it before its update: another process may have used that
            # id since.
            self._next_id = None
            return method(self, *args, **kwargs)

    return cast(Callable[Concatenate["SafeTable", P], R], locked)


class SafeTable(Table):
    """A TinyDB table whose every change is a transaction, and whose results are the caller's own copies."""

    def __init__(self, storage: GenerationStorage, name: str, cache_size: int = 0, persist_empty: bool = False) -> None:
        # The query cache cannot see other processes' writes, so it is always off.
        super().__init__(storage, name, cache_size=0, persist_empty=persist_empty)

    @property
    def storage(self) -> GenerationStorage:
        """The storage that all tables of the file share."""
        return cast(GenerationStorage, self._storage)

    insert = _in_transaction(Table.insert)
    insert_multiple = _in_transaction(Table.insert_multiple)
    update = _in_transaction(Table.update)
    update_multiple = _in_transaction(Table.update_multiple)
    upsert = _in_transaction(Table.upsert)  # two passes: no other write may happen between them
    remove = _in_transaction(Table.remove)
    truncate = _in_transaction(Table.truncate)

    def __iter__(self) -> Iterator[Document]:
        return map(copy.deepcopy, super().__iter__())

    def search(self, cond: Any) -> list[Document]:
        """Search for all documents matching a query, as copies that may be changed."""
        return copy.deepcopy(super().search(cond))

    def get(self, *args: Any, **kwargs: Any) -> Any:
        """Get documents by query or id as TinyDB does, as copies that may be changed."""
        return copy.deepcopy(super().get(*args, **kwargs))

    def _read_table(self) -> dict[str, Mapping[Any, Any]]:
        stored = self.storage.read().get(self.name, {})
        return {number: fields_of(document) for number, document in stored.items()}

    @_in_transaction
    def _update_table(self, updater: Callable[[dict[int, Any]], None]) -> None:
        # TinyDB changes documents in place and lets callers put their own objects into them: hence a copy on the way
        # out and another on the way in. Where speed counts, `Documents` copies only what changes.
        where = f"{self.name} "
        stored = self.storage.read().get(self.name, {})
        table: dict[int, Any] = {
            int(doc_id): plain(fields_of(document), where + doc_id) for doc_id, document in stored.items()
        }
        updater(table)
        changed = {str(doc_id): plain(document, f"{where}{doc_id}") for doc_id, document in table.items()}
        for doc_id, document in changed.items():
            before = stored.get(doc_id)
            if isinstance(before, DocumentInFile) and before.read() == orjson.dumps(document):
                changed[doc_id] = before  # what nobody changed stays where it is; equal is not the same: True is 1
        self.storage.write_table(self.name, changed)


class Database(TinyDB):
    """One state file: TinyDB tables, transactions across them, and typed documents.

    Safe to share between threads; a transaction belongs to the thread that opened it.
    """

    table_class = SafeTable  # type: ignore[assignment]
    default_storage_class = GenerationStorage  # type: ignore[assignment]

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._documents: dict[tuple[str, type, str], Documents[Any]] = {}
        self._documents_lock = threading.Lock()

    @property
    def storage(self) -> GenerationStorage:
        """The storage that all tables of the file share."""
        return cast(GenerationStorage, self._storage)

    @property
    def path(self) -> Path:
        """The state file."""
        return self.storage.path

    @property
    def in_transaction(self) -> bool:
        """Whether the calling thread is inside a transaction of this file."""
        return self.storage.in_transaction

    def transaction(self) -> AbstractContextManager[None]:
        """Make all changes of a `with` block, in any tables, one durable step.

        Nested transactions join the outer transaction, which alone commits. A failed step, even if its error was
        caught, forbids the commit. A transaction on a second file inside this one is refused.

        Returns:
            The context manager. Leaving it normally means that the change is on the disk.

        Raises:
            DamagedFileError: The file is damaged; nothing was changed.
            DiskFullError: There is no room; nothing was changed.
            FileAccessError: The operating system refuses; nothing was changed.
            InDoubtError: The change is in place, but the disk did not confirm that it is durable.
            UnstorableValueError: JSON cannot represent a value; nothing was changed.
            ForbiddenCommitError: An inner step had failed and its error was caught; nothing was changed.
            TransactionError: This thread is in a transaction of another file, or the process was forked.
        """
        return self.storage.transaction()

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call a function once this thread's change is durable, with the lock released.

        Args:
            callback: Called once, after the outermost transaction; never, if that fails; immediately, outside a
                transaction. Its exceptions reach the caller of the transaction, whose change is kept.
        """
        self.storage.after_commit(callback)

    def signature(self) -> FileSignature:
        """Return the identity of the current generation with one stat call; it changes with every commit."""
        return self.storage.signature()

    def documents(self, table: str, struct: type[T], key: str) -> Documents[T]:
        """Return the typed documents of a table, shared by all who ask for the same.

        Args:
            table: The table's name.
            struct: A frozen msgspec Struct with the field `revision: int = 0`.
            key: The field that names a document within its table.

        Returns:
            The documents.
        """
        with self._documents_lock:
            found = self._documents.get((table, struct, key))
            if found is None:
                found = self._documents[table, struct, key] = Documents(self.storage, table, struct, key)
            return found

    def drop_table(self, name: str) -> None:
        """Remove a table with all its documents."""
        with self.transaction():
            self._tables.pop(name, None)
            tables = self.storage.read()
            if name in tables:
                self.storage.write({other: table for other, table in tables.items() if other != name})

    def drop_tables(self) -> None:
        """Remove all tables."""
        with self.transaction():
            self._tables.clear()
            self.storage.write({})
