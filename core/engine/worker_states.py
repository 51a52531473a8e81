"""The state of the engine's workers, for reports: each thread notes what its worker does."""

import threading

import msgspec

from core.clock import Clock, utc_now
from core.maintenance.system_health import WorkerActivity, WorkerState


class WorkerStates:
    """The states by worker. Written by the workers' threads, read by any thread."""

    def __init__(self, clock: Clock = utc_now) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._states: dict[str, WorkerState] = {}

    def note(self, name: str, activity: WorkerActivity) -> None:
        """Note what a worker does from now on."""
        with self._lock:
            known = self._states.get(name) or WorkerState(activity=activity, since=self._clock())
            self._states[name] = msgspec.structs.replace(known, activity=activity, since=self._clock())

    def failed(self, name: str, error: BaseException) -> None:
        """Note that a step has failed; the worker restarts after a pause."""
        with self._lock:
            now = self._clock()
            known = self._states.get(name)
            self._states[name] = WorkerState(
                activity=WorkerActivity.RESTARTING,
                since=now,
                n_failures=(known.n_failures if known else 0) + 1,
                last_failure=f"{type(error).__name__}: {error}",
                last_failure_at=now,
            )

    def all(self) -> dict[str, WorkerState]:
        """Return every worker that has started."""
        with self._lock:
            return dict(self._states)
