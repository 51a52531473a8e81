"""A thread that commits queued records once a second, so that its callers never wait for the disk."""

import logging
import threading
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Self

from core.files import make_folder
from core.telemetry.errors import TelemetryError
from core.telemetry.schema import place_of

log = logging.getLogger(__name__)

COMMIT_SECONDS = 1.0


class Committer(ABC):
    """Owns the thread; a subclass owns the queues and the store, and calls `_start` once it is ready.

    It calls `_opened` whenever it has opened the store: a store whose file was removed or replaced is closed before the
    next commit, which would otherwise be lost. While the store cannot be written, callers of `flush` keep waiting: the
    next commit tries again.
    """

    _WHAT = ""
    """The kind of records, for messages, and the name of the thread."""

    def __init__(self, file: Path, commit_seconds: float) -> None:
        self._file = file
        self._commit_seconds = commit_seconds
        self._lock = threading.Lock()
        self._flushed: list[threading.Event] = []
        self._wake = threading.Event()
        self._closing = False
        self._failure: str | None = None
        self._place: tuple[int, int] | None = None  # of the file that was opened
        self._thread = threading.Thread(target=self._run, name=self._WHAT, daemon=True)
        make_folder(file.parent)

    def flush(self, timeout_seconds: float = 10.0) -> None:
        """Wait until all records added so far are stored; call it before reporting completion.

        Raises:
            TelemetryError: Storing did not finish in time; the records stay in memory and are retried.
        """
        done = threading.Event()
        with self._lock:
            if self._closing:
                raise TelemetryError(f"The writer of {self._file} is closed.")
            self._flushed.append(done)
        self._wake.set()
        if not done.wait(timeout_seconds):
            raise TelemetryError(
                self._failure or f"{self._file} did not accept the {self._WHAT} within {timeout_seconds} s."
            )

    def close(self, timeout_seconds: float = 10.0) -> None:
        """Store all queued records, and end the thread. Closing twice is harmless."""
        with self._lock:
            self._closing = True
        self._wake.set()
        self._thread.join(timeout_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def _commit(self) -> bool:
        """Store all queued records now; return False if some must be retried."""

    @abstractmethod
    def _close_store(self) -> None:
        """Close the store, if it is open."""

    def _fail(self, error: Exception) -> None:
        """Note that the store cannot be written: what waits stays in memory, and the next attempt opens it again."""
        if self._failure is None:
            log.error("telemetry write failed; buffering %s in memory: %s", self._WHAT, error)
        self._failure = str(error)
        self._close_store()

    def _recover(self) -> None:
        """Note that the store can be written."""
        if self._failure is not None:
            log.info("telemetry writes to %s work again", self._file)
            self._failure = None

    def _opened(self) -> None:
        self._place = place_of(self._file)

    def _follow_file(self) -> None:
        if place_of(self._file) != self._place:
            if self._place is not None:
                log.warning("%s was removed or replaced; new records go to the new file", self._file)
            self._place = None
            self._close_store()

    def _start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        while True:
            self._wake.wait(self._commit_seconds)
            self._wake.clear()
            with self._lock:
                closing = self._closing
                flushed, self._flushed = self._flushed, []
            self._follow_file()
            try:
                stored = self._commit()
            except Exception as error:  # nobody would notice that a thread has ended: what waits would wait for ever
                if str(error) != self._failure:
                    log.exception("%s could not be stored", self._WHAT)
                self._fail(error)
                stored = False
            with self._lock:
                if stored:
                    for done in flushed:
                        done.set()
                else:  # waiting callers keep waiting for the next attempt
                    self._flushed = flushed + self._flushed
            if closing:
                break
        self._close_store()
