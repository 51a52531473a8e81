"""The thread that watches a workspace and posts a snapshot only after a change.

Decisions (of people, alerts and rollouts) are shown within a fifth of a second. Progress, which a fast training writes
several times a second, is shown once a tick: twenty consoles that followed every epoch took half of its machine.
"""

import logging
import math
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from core.clock import Clock, utc_now
from core.state import Workspace
from core.view.snapshot import Snapshot
from core.view.source import SnapshotSource

TICK_SECONDS = 1.0
LEAST_SECONDS_APART = 0.1  # between two polls, however fast the files change
PROGRESS = frozenset({"sessions", "runs", "audit"})
"""The databases that change while work proceeds, without a decision."""

if TYPE_CHECKING:
    from core.state import ChangeWatch

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
        self._posted_at = -math.inf
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
                self._wait_for_news(watch)

    def _wait_for_news(self, watch: "ChangeWatch") -> None:
        """Wait for a decision, for progress a tick after the last snapshot, or for the next tick."""
        end = time.monotonic() + self._tick_seconds - LEAST_SECONDS_APART
        while names := watch.wait(end - time.monotonic(), self._halt):
            rest = self._posted_at + self._tick_seconds - time.monotonic()
            if rest <= 0 or not names <= PROGRESS:
                return
            end = min(end, time.monotonic() + rest)

    def look(self) -> None:
        """Take one snapshot and post it unless it was posted last; any thread may call this."""
        with self._look_lock:
            snapshot = self._source.take()
            self.looked_at = self._monotonic()
            if snapshot is not self._posted:
                self._posted, self._posted_at = snapshot, time.monotonic()
                self._post(snapshot)

    def stop(self) -> None:
        """Stop after the current poll, without waiting for it."""
        self._halt.set()
