"""A lock between processes that prevents starvation and is released when its holder dies."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.lock_files import open_lock, unlock
from core.state.file_lock import wait_for_lock


class FairLock:
    """An exclusive lock made of two lock files, `<file>.queue` and `<file>.lock`.

    With one file, a process that releases and locks again overtakes all sleeping waiters: a writer beside three busy
    writers waited 2.9 s. Here the next waiter already holds the queue, so the releaser has to line up: 30 ms.

    The files are never removed: a process that held a removed file would not exclude holders of its successor. Nobody
    but their owner may open them: to lock a file, it is enough to open it for reading.
    """

    def __init__(self, path: Path) -> None:
        self.queue = path.with_name(path.name + ".queue")
        self.lock = path.with_name(path.name + ".lock")
        self._descriptors: list[int] = []

    @contextmanager
    def held(self) -> Iterator[None]:
        """Wait for the lock and hold it. Not re-entrant, and for one thread at a time.

        Raises:
            LockHeldError: Others have not released it in time; the message names the holder.
            OSError: A lock file can be neither opened nor created.
        """
        with self._flocked(self.lock, after=self.queue):
            yield

    def forget(self) -> None:
        """Close the inherited descriptors in a forked child: they would keep the lock when the parent dies."""
        while self._descriptors:
            os.close(self._descriptors.pop())  # closed, not unlocked: unlocking would also unlock it for the parent

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
        descriptor = open_lock(path)
        self._descriptors.append(descriptor)
        try:
            wait_for_lock(descriptor, path)
        except BaseException:  # a KeyboardInterrupt while waiting is one
            self._unlock(descriptor)
            raise
        return descriptor

    def _unlock(self, descriptor: int) -> None:
        if descriptor not in self._descriptors:
            return  # forgotten: this is the child of a fork
        self._descriptors.remove(descriptor)
        unlock(descriptor)
