"""The thread that watches a workspace and posts at most one snapshot a tick, only after a change."""

import logging
import threading
import time
from collections.abc import Callable

from core.clock import Clock, utc_now
from core.state import Workspace
from core.view.snapshot import Snapshot
from core.view.source import SnapshotSource

TICK_SECONDS = 1.0
LEAST_SECONDS_APART = 0.1  # between two polls, however fast the files change

log = logging.getLogger("bondx.console")


class Poller(threading.Thread):
    """Posts snapshots until stopped. The receiver must return at once; it runs in this thread."""

    def __init__(
        self,
        workspace: Workspace,
        post: Callable[[Snapshot], None],
        *,
        tick_seconds: float = TICK_SECONDS,
        clock: Clock = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(name="poller", daemon=True)
        self._source = SnapshotSource(workspace, clock=clock)
        self._workspace = workspace
        self._post = post
        self._tick_seconds = tick_seconds
        self._halt = threading.Event()
        self._posted: Snapshot | None = None
        self._look_lock = threading.Lock()
        self._monotonic = monotonic
        self.looked_at = monotonic()
        """When the workspace was last polled, on the monotonic clock: panes measure their age by it."""

    def follow(self, run_id: str | None) -> None:
        """Include the epoch history of this run in every snapshot from now on."""
        self._source.follow([run_id] if run_id else [])

    def look_around(self, run_id: str, epoch: int | None) -> None:
        """Include the page of a run's epochs that has this epoch from now on; None follows the newest."""
        self._source.look_around(run_id, epoch)

    def look_at_runs(self, wanted: bool) -> None:
        """Include the runs in every snapshot from now on, or leave them out."""
        self._source.look_at_runs(wanted)

    def run(self) -> None:
        """Poll, post a changed snapshot, wait for a change or the next tick."""
        from core.state import ChangeWatch

        watch = ChangeWatch(self._workspace)
        while not self._halt.is_set():
            try:
                self.look()
            except Exception:  # a bug in one poll must not stop the screens: they turn stale, it is logged
                log.exception("The poller could not take a snapshot.")
            if not self._halt.wait(LEAST_SECONDS_APART):
                watch.wait(self._tick_seconds - LEAST_SECONDS_APART, self._halt)

    def look(self) -> None:
        """Take one snapshot and post it unless it was posted last; any thread may call this."""
        with self._look_lock:
            snapshot = self._source.take()
            self.looked_at = self._monotonic()
            if snapshot is not self._posted:
                self._posted = snapshot
                self._post(snapshot)

    def stop(self) -> None:
        """Stop after the current poll, without waiting for it."""
        self._halt.set()
