"""The engine's heartbeat, and its check of the lease and of the workspace's folder."""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import ClassVar

from typing_extensions import override

from core.engine.worker import Worker
from core.state import Lease, Workspace
from core.state.lease import BEAT_SECONDS
from core.state.write_health import REFUSED_WRITES


class LeaseGuard(Worker):
    """Beats once a second, so that a stopped engine shows as silent, and ends an engine that has lost its workspace."""

    name: ClassVar[str] = "guard"

    def __init__(self, workspace: Workspace, lease: Lease, *, lost: Callable[[str], None]) -> None:
        """Prepare to watch.

        Args:
            workspace: The engine's workspace.
            lease: The engine's lease.
            lost: Called once with the reason when the engine must end.
        """
        self.wake = threading.Event()
        self._workspace = workspace
        self._lease = lease
        self._lost: Callable[[str], None] | None = lost
        self._place = _place_of(workspace)

    @override
    def step(self) -> float | None:
        if self._lost is None:
            return None
        if (reason := self._loss()) is None:
            return BEAT_SECONDS
        lost, self._lost = self._lost, None
        lost(reason)
        return None

    def _loss(self) -> str | None:
        root = self._workspace.root
        try:
            if _place_of(self._workspace) != self._place:
                return f"another folder has taken the place of {root}"
            if os.statvfs(root).f_flag & os.ST_RDONLY:
                return f"{root} was mounted read-only"
            if not self._lease.beat():
                return f"{self._workspace.lease_file} was removed or replaced, so another engine may start"
            with suppress(OSError):  # the lease holds; it only cannot say more
                self._lease.tell(REFUSED_WRITES.within(root) or "")
        except FileNotFoundError:
            return f"{root} was deleted, moved or unmounted"
        except OSError as error:
            return f"{root} cannot be used any more: {error.strerror or error}"
        return None


def _place_of(workspace: Workspace) -> tuple[tuple[int, int], ...]:
    """Return the identity of the folders that an engine writes to.

    Raises:
        OSError: One of them is gone.
    """
    statuses = (os.stat(folder) for folder in (workspace.root, workspace.state_dir))
    return tuple((status.st_dev, status.st_ino) for status in statuses)
