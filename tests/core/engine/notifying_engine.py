"""An engine in a process of its own that tells one webhook of each alert, and dies at a chosen point of a thread.

`python -m tests.core.engine.notifying_engine ROOT URL THREAD N`: it ends once all is delivered, or is killed at the
n-th change that the thread makes on the disk.
"""

import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import core.engine.engine as engine_module
from core.actor import Actor, Origin
from core.alerts import Alert
from core.alerts.delivery.outbox import Outbox
from core.engine import Engine
from core.engine.context import EngineContext
from core.engine.worker import Worker
from core.engine.workers.notifier import Notifier
from core.state import Workspace
from tests.core.alerts.delivery.told import Block, Named, Routing, Told
from tests.processes import Death


class EachOnce:
    """Tells one receiver that an alert fires, and that it ended; the outbox knows of what it has told."""

    def __init__(self, workspace: Workspace, url: str) -> None:
        self.config = Routing({"ops": Named("ops", [Block("webhook_configs", {"url": url})])})
        self._outbox = Outbox(workspace)

    def dispatch(self, alerts: Sequence[Alert], now: datetime) -> tuple[list[Told], datetime | None]:
        """Return what was not told yet."""
        found = []
        for alert in alerts:
            told = self._outbox.of_alert(alert.fingerprint)
            if not any(alert.fingerprint in each.firing for each in told):
                found.append(Told([alert], group_key=alert.fingerprint))
            elif not alert.state.is_open and not any(alert.fingerprint in each.resolved for each in told):
                found.append(Told([alert], group_key=alert.fingerprint, reason="resolved"))
        return found, None


def main(root: str, url: str, thread: str, dies_at: int) -> None:
    """Run until all is delivered."""
    workspace = Workspace.open(Path(root))

    def notifier(context: EngineContext) -> Worker:
        return Notifier(context, EachOnce(workspace, url))

    engine_module.WORKERS = (notifier,)
    Death(dies_at, thread=thread).await_it()
    engine = Engine(workspace, mode="headless", actor=Actor("ada", "desk", Origin.COMMAND_LINE))
    engine.start()
    outbox = Outbox(workspace)
    while not outbox.all() or outbox.pending():
        engine.wait(0.02)
    engine.stop()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
