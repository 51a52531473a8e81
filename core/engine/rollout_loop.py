"""The engine's turn at rollouts: once a second while one is active, and no turn at all while none is."""

import threading

from core.actor import Actor
from core.alerts import Alerts
from core.clock import Clock, utc_now
from core.rollout import Rollouts, RolloutWorker
from core.rollout.worker import TICK_SECONDS
from core.state import Workspace


class RolloutLoop:
    """Drives the rollouts of a workspace in one thread; what starts or changes one wakes it."""

    def __init__(self, workspace: Workspace, alerts: Alerts, *, actor: Actor, clock: Clock = utc_now) -> None:
        """Prepare to drive; nothing is read before `run`.

        Args:
            workspace: Whose rollouts.
            alerts: Where people are called.
            actor: In whose name steps are recorded.
            clock: The time.
        """
        self._workspace = workspace
        self._alerts = alerts
        self._actor = actor
        self._clock = clock
        self._rollouts = Rollouts(workspace, clock=clock)
        self._news = threading.Event()

    def wake(self) -> None:
        """Say that a rollout may have been started or asked for something, or that it is time to end."""
        self._news.set()

    def run(self, *, until: threading.Event) -> None:
        """Take turns.

        Args:
            until: Ends it; whoever sets it calls `wake` as well.
        """
        # Anew after a failure: the documents know how far it was.
        worker = RolloutWorker(self._workspace, alerts=self._alerts, actor=self._actor, clock=self._clock)
        while not until.is_set():
            self._news.clear()  # before looking: what comes in meanwhile is looked at in the next turn
            worker.tick(self._clock())
            is_any_active = any(rollout.is_active for rollout in self._rollouts.all())
            self._news.wait(TICK_SECONDS if is_any_active else None)
