"""Heartbeats of the processes that log runs, stored in the telemetry and not in documents: ten a minute cost nothing.

Each heartbeat is one row under a name that no run has, so that one query covers every run.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from core.errors import CoreError
from core.tracking.run import Run, RunStatus

if TYPE_CHECKING:
    from core.telemetry import TelemetryReader, TelemetryWriter

log = logging.getLogger(__name__)

HEARTBEATS = "~heartbeats"


def beat(writer: "TelemetryWriter", run_id: str, at: datetime) -> None:
    """Record that the process of a run is alive."""
    writer.add_epoch(HEARTBEATS, 0, {run_id: at.timestamp()}, at)


def last_beats(reader: "TelemetryReader") -> dict[str, datetime]:
    """Return the time of each run's last heartbeat, by run."""
    heard = reader.epochs(HEARTBEATS)
    return {run_id: datetime.fromtimestamp(points[-1][1], UTC) for run_id, points in heard.items()}


def silent(runs: Sequence[Run], beats: Mapping[str, datetime], now: datetime) -> list[Run]:
    """Return the runs whose process should send heartbeats and has sent none for too long."""
    return [
        run
        for run in runs
        if run.lost_after_seconds is not None
        and not run.is_over
        and (now - max(run.started_at, beats.get(run.run_id, run.started_at))).total_seconds() > run.lost_after_seconds
    ]


def heard_again(runs: Sequence[Run], beats: Mapping[str, datetime]) -> list[Run]:
    """Return the lost runs whose process was only suspended."""
    return [
        run
        for run in runs
        if run.status is RunStatus.LOST
        and run.ended_at is not None
        and run.run_id in beats
        and beats[run.run_id] > run.ended_at
    ]


class Heartbeat:
    """A thread that sends heartbeats for the runs of this process while it has any."""

    def __init__(self, say: Callable[[str], None], every_seconds: float) -> None:
        """Prepare the thread; it starts with the first run.

        Args:
            say: Called with the id of each run at each heartbeat.
            every_seconds: How often.
        """
        self._say = say
        self._every_seconds = every_seconds
        self._run_ids: set[str] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, run_id: str) -> None:
        """Send heartbeats for a run from now on."""
        self._say(run_id)
        with self._lock:
            self._run_ids.add(run_id)
            if self._thread is None:
                # A daemon: a script that forgets to end its run must still be able to exit.
                self._thread = threading.Thread(target=self._work, name="heartbeat", daemon=True)
                self._thread.start()

    def remove(self, run_id: str) -> None:
        """Stop the heartbeats of a run."""
        with self._lock:
            self._run_ids.discard(run_id)

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while not self._stopping.wait(self._every_seconds):
            with self._lock:
                run_ids = sorted(self._run_ids)
            for run_id in run_ids:
                try:
                    self._say(run_id)
                except CoreError:
                    log.exception("could not record the heartbeat of %s", run_id)
