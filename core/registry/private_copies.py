"""Private copies of versions that outlive the call that made them, for callers who want a path: until the process ends.

What was hashed is what the caller reads, whenever it reads it: nobody else writes to a copy, whatever happens to the
version's own folder. A process that is killed leaves its copies to the next sweep of the staging area.
"""

import atexit
import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from core.registry.manifest import check

CopyKey = tuple[Path, str, str]  # the store, the version's key, the hash of its manifest


class PrivateCopies:
    """The copies of this process. Safe to share between threads."""

    def __init__(self) -> None:
        self.forget()

    def path(self, key: CopyKey, copied: Callable[[], AbstractContextManager[Path]]) -> Path:
        """Return the copy of a version, made now if there is none yet, or if it was changed.

        Args:
            key: The version, and the hash of its manifest.
            copied: Makes a copy, verified on the way.
        """
        with self._lock:
            found = self._copies.get(key)
            if found is None or check(found, key[2]):
                found = self._copies[key] = self._stack.enter_context(copied())
            return found

    def close(self) -> None:
        """Remove every copy."""
        with self._lock:
            self._copies.clear()
            self._stack.close()

    def forget(self) -> None:
        """In a fork, leave the copies to the parent."""
        self._lock, self._copies, self._stack = threading.Lock(), dict[CopyKey, Path](), ExitStack()


KEPT = PrivateCopies()
atexit.register(KEPT.close)
os.register_at_fork(after_in_child=KEPT.forget)
