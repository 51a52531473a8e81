"""A thread that commits what waits once a second, so that whoever measures or answers never waits for a disk."""

import logging
import threading
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Self

from core.telemetry.errors import TelemetryError
from core.telemetry.schema import place_of

log = logging.getLogger(__name__)

COMMIT_SECONDS = 1.0


class Committer(ABC):
    """Owns the thread; a subclass owns the queues and the store, and calls `_start` once it is ready.

    It calls `_opened` whenever it has opened the store: one whose file was taken away or replaced is let go of before
    the next commit, which would otherwise be one to nowhere. While the store cannot be written, those who wait for a
    flush go on waiting: the next commit tries again.
    """

    _WHAT = ""
    """What is written, for messages, and the name of the thread."""

    def __init__(self, file: Path, commit_seconds: float) -> None:
        self._file = file
        self._commit_seconds = commit_seconds
        self._lock = threading.Lock()
        self._flushed: list[threading.Event] = []
        self._wake = threading.Event()
        self._closing = False
        self._failure: str | None = None
        self._place: tuple[int, int] | None = None  # of the file that the store was opened on
        self._thread = threading.Thread(target=self._run, name=self._WHAT, daemon=True)
        file.parent.mkdir(parents=True, exist_ok=True)

    def flush(self, timeout_seconds: float = 10.0) -> None:
        """Wait until all that was added before is stored; call it before saying that something is complete.

        Raises:
            TelemetryError: It could not be stored in time; it waits in memory and is tried again.
        """
        done = threading.Event()
        with self._lock:
            if self._closing:
                raise TelemetryError(f"The writer of {self._file} is closed.")
            self._flushed.append(done)
        self._wake.set()
        if not done.wait(timeout_seconds):
            raise TelemetryError(
                self._failure or f"{self._file} did not take the {self._WHAT} within {timeout_seconds} s."
            )

    def close(self, timeout_seconds: float = 10.0) -> None:
        """Store what waits, and end the thread. Closing twice is harmless."""
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
        """Store all that waits now; return False if some of it has to be tried again."""

    @abstractmethod
    def _close_store(self) -> None:
        """Let go of the store, if it is open."""

    def _opened(self) -> None:
        self._place = place_of(self._file)

    def _follow_file(self) -> None:
        if place_of(self._file) != self._place:
            if self._place is not None:
                log.warning("%s was taken away or replaced; what comes goes to the file of that name", self._file)
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
            stored = self._commit()
            with self._lock:
                if stored:
                    for done in flushed:
                        done.set()
                else:  # those who wait go on waiting, for the next try
                    self._flushed = flushed + self._flushed
            if closing:
                break
        self._close_store()
