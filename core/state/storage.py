"""A TinyDB storage that is safe against killed processes, full disks and racing writers."""

import os
import threading
import weakref
from collections.abc import Callable, Container, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from tinydb.storages import Storage

from core.files import FileAccessError, access_error
from core.state.archive import NEWEST_BYTES, Archive, Archived, older_documents, sweep, write_archive
from core.state.archive import TABLE as ARCHIVE
from core.state.encoding import Speller, StoredTable, Tables
from core.state.errors import ForbiddenCommitError, TransactionError
from core.state.fair_lock import FairLock
from core.state.generation import (
    ABSENT,
    FileSignature,
    Generation,
    listed_archive,
    load,
    previous_of,
    replace,
    signature_of,
)
from core.state.write_health import REFUSED_WRITES


class _Transaction:
    """One thread's view of the tables between the first change and the commit."""

    def __init__(self, base: Generation) -> None:
        self.pid = os.getpid()
        self.base = base
        self.tables = dict(base.tables)  # tables are replaced, never changed in place, so a shallow copy is enough
        self.archive = base.archive
        self.moved: dict[str, StoredTable] = {}  # documents that `archive` has put there
        self.failure: BaseException | None = None
        self.after_commit: list[Callable[[], None]] = []

    def take_over_archived(self) -> None:
        """Let the documents that `archive` has written be those in its file, unless they changed since."""
        written, self.moved = self.moved, {}
        for name, moved in written.items():
            archived = self.archive.tables.get(name, {}) if self.archive else {}
            if (table := self.tables.get(name)) is not None:
                self.tables[name] = {
                    number: archived[number] if number in moved and moved[number] is document else document
                    for number, document in table.items()
                }

    @property
    def is_changed(self) -> bool:
        """Whether there is anything to commit."""
        return (
            self.archive is not self.base.archive
            or self.tables.keys() != self.base.tables.keys()
            or any(table is not self.base.tables[name] for name, table in self.tables.items())
        )


class GenerationStorage(Storage):
    """Whole-file generations of plain JSON, readable by any TinyDB.

    Readers take no lock and share one parsed copy. Tables and documents are never changed in place: changes are new
    objects, so the same object is known to be unchanged.

    A transaction belongs to the thread that opened it; every other thread and process sees the last committed
    generation until it commits.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._thread_lock = threading.RLock()
        self._process_lock = FairLock(self.path)
        self._reading = threading.RLock()
        self._transaction: _Transaction | None = None
        self._owner = 0
        self._current: Generation | None = None
        self._speller = Speller()
        _storages.add(self)

    def read(self) -> Tables:
        """Return the tables, read-only: inside a transaction the thread's own, outside the last committed tables.

        Raises:
            DamagedFileError: The file is damaged; the message names the remedy.
            FileAccessError: The operating system refuses to read it.
        """
        if (transaction := self._own_transaction()) is not None:
            return transaction.tables
        return self._generation().tables

    def write(self, data: Tables) -> None:
        """Replace all tables, to be committed with the transaction.

        Args:
            data: Tables and documents that are unchanged since they were read, or have passed `plain`.

        Raises:
            TransactionError: There is no transaction: what was read before it may be out of date.
        """
        if (transaction := self._own_transaction()) is None:
            raise TransactionError(f"{self.path} can only be written inside a transaction.")
        transaction.tables = dict(data)

    def write_table(self, name: str, table: StoredTable) -> None:
        """Replace one table, to be committed with the transaction.

        Args:
            name: Its name.
            table: Its documents, each unchanged since it was read, or passed by `plain`.

        Raises:
            TransactionError: There is no transaction: what was read before it may be out of date.
        """
        self.write(self.read() | {name: table})

    def has_older_documents(self, *, keep: Container[str] = ()) -> bool:
        """Say whether enough documents in the state file itself are old for an archive file.

        Args:
            keep: Tables that stay in the state file.
        """
        return bool(older_documents(self._generation().recent, keep=keep))

    def archive(self, *, keep: Container[str] = (), newest_bytes: int = NEWEST_BYTES) -> Archived:
        """Move the older documents of the state file into an archive file.

        The documents stay what they are for every reader; the next changes write fewer bytes. The state file lists the
        archive file once the transaction commits.

        Args:
            keep: Tables that stay in the state file.
            newest_bytes: How much of every other table stays, too: the newest documents.

        Returns:
            What was moved.

        Raises:
            TransactionError: There is no transaction.
            DiskFullError: There is no room; nothing was changed.
            FileAccessError: The operating system refuses; nothing was changed.
        """
        if (transaction := self._own_transaction()) is None:
            raise TransactionError(f"{self.path} can only be written inside a transaction.")
        transaction.take_over_archived()
        before, tables = transaction.archive, transaction.tables
        recent = tables if before is None else before.recent_of(tables)
        moved = older_documents(recent, keep=keep, newest_bytes=newest_bytes, however_few=True)
        self._sweep_archive(transaction.base)
        transaction.archive, archived = write_archive(self.path, before, moved, tables)
        transaction.moved = archived.content
        return archived

    def _sweep_archive(self, base: Generation) -> None:
        """Remove archive files that neither the present generation nor the previous one lists."""
        try:
            previous = listed_archive(previous_of(self.path))
        except (ValueError, OSError):
            return  # nobody knows which it lists
        sweep(self.path, previous, base.archive.entries if base.archive else {})

    def one_reader(self) -> AbstractContextManager[object]:
        """Let one thread at a time read a new generation: the others share what it has read, in one copy."""
        return self._reading

    def signature(self) -> FileSignature:
        """Return the identity of the current generation with one stat call.

        Raises:
            FileAccessError: The file may not be looked at.
        """
        return signature_of(self.path)

    @property
    def in_transaction(self) -> bool:
        """Whether the calling thread is inside a transaction."""
        return self._own_transaction() is not None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Change tables under the lock and commit once, at the end of the outermost transaction.

        Raises:
            DamagedFileError: The file is damaged; nothing was changed.
            DiskFullError: There is no room; nothing was changed.
            FileAccessError: The operating system refuses; nothing was changed.
            InDoubtError: The change is in place, but the disk did not confirm that it stays.
            UnstorableValueError: A value cannot be spelled in JSON; nothing was changed.
            ForbiddenCommitError: An inner step had failed and was ignored; nothing was changed.
            TransactionError: This thread is in a transaction of another file, or the process was forked.
        """
        if (outer := self._own_transaction()) is not None:
            with self._inner(outer):
                yield
            return
        if (other := getattr(_thread, "storage", None)) is not None:
            raise TransactionError(
                f"Finish the transaction on {other.path.name} before one on {self.path.name}: two files cannot commit "
                "together, and two processes that lock them in opposite order would deadlock."
            )
        with self._thread_lock, self._locked_between_processes():
            transaction = _Transaction(self._generation())
            self._transaction, self._owner, _thread.storage = transaction, threading.get_ident(), self
            try:
                yield
                self._commit(transaction)
            finally:
                self._transaction, self._owner, _thread.storage = None, 0, None
        for callback in transaction.after_commit:
            callback()

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call back once the outermost transaction of this thread is committed and unlocked."""
        if (transaction := self._own_transaction()) is None:
            callback()
        else:
            transaction.after_commit.append(callback)

    def close(self) -> None:
        """Release the parsed copy and its open file."""
        self._current = None

    def forget_inherited(self) -> None:
        """Drop the locks and the transaction in a forked child; they belong to the parent."""
        self._thread_lock = threading.RLock()
        self._process_lock.forget()
        self._reading = threading.RLock()
        self._transaction, self._owner = None, 0

    @contextmanager
    def _inner(self, outer: _Transaction) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            outer.failure = outer.failure or error
            raise

    @contextmanager
    def _locked_between_processes(self) -> Iterator[None]:
        with ExitStack() as stack:
            try:
                stack.enter_context(self._process_lock.held())
            except OSError as error:
                refused = access_error(self.path, "lock", error)
                self._remember(refused, error)
                raise refused from error
            yield

    def _remember(self, refused: FileAccessError, cause: BaseException | None) -> None:
        """Keep what was refused for those who show the workspace: it cannot be written as an alert.

        An account that may not write is no fault of the disk.
        """
        if not isinstance(cause, PermissionError):
            REFUSED_WRITES.refused(self.path, refused)

    def _commit(self, transaction: _Transaction) -> None:
        if transaction.pid != os.getpid():
            raise TransactionError(
                f"The process was forked inside a transaction on {self.path}; only the parent can commit it."
            )
        if transaction.failure is not None:
            raise ForbiddenCommitError(self.path, transaction.failure) from transaction.failure
        if transaction.is_changed:
            transaction.take_over_archived()
            try:
                self._current = self._replace(transaction.tables, transaction.archive)
            except FileAccessError as error:
                self._remember(error, error.__cause__)
                raise
            REFUSED_WRITES.written(self.path)

    def _replace(self, tables: Tables, archive: Archive | None) -> Generation:
        if archive is None:
            return replace(self.path, self._speller.encode(tables), tables)
        archive = archive.without_removed(tables)
        recent = archive.recent_of(tables)
        encoded = self._speller.encode({**recent, ARCHIVE: archive.listed()})
        return replace(self.path, encoded, tables, recent=recent, archive=archive)

    def _generation(self) -> Generation:
        current = self._current
        if current is None or self._is_outdated(current):
            with self.one_reader():
                current = self._current
                if current is None or self._is_outdated(current):
                    current = self._current = load(self.path, known=current)
        return current

    def _is_outdated(self, current: Generation) -> bool:
        is_another = current.signature != signature_of(self.path) or current.signature == ABSENT
        return is_another or current.is_spoilt

    def _own_transaction(self) -> _Transaction | None:
        return self._transaction if self._owner == threading.get_ident() else None


_thread = threading.local()


def file_in_transaction() -> Path | None:
    """Return the file of which the calling thread is in a transaction, if it is in one."""
    storage = getattr(_thread, "storage", None)
    return None if storage is None else storage.path


_storages: weakref.WeakSet[GenerationStorage] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    _thread.storage = None
    for storage in list(_storages):
        storage.forget_inherited()


os.register_at_fork(after_in_child=_after_fork_in_child)
