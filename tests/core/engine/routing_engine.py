"""An engine in a process of its own that follows the routing and escalation of its workspace, and dies at some point.

`python -m tests.core.engine.routing_engine ROOT N_DELIVERIES THREAD N`: it ends once so many messages are delivered, or
is killed at the n-th change that the thread makes on the disk.
"""

import sys
from pathlib import Path

import core.engine.engine as engine_module
from core.actor import Actor, Origin
from core.alerts.delivery.outbox import Outbox
from core.engine import Engine
from core.engine.workers.notifier import Notifier
from core.state import Workspace
from tests.processes import Death


def main(root: str, n_deliveries: int, thread: str, dies_at: int) -> None:
    """Run until all is delivered."""
    workspace = Workspace.open(Path(root))
    engine_module.WORKERS = (Notifier,)
    Death(dies_at, thread=thread).await_it()
    engine = Engine(workspace, mode="headless", actor=Actor("ada", "desk", Origin.COMMAND_LINE))
    engine.start()
    outbox = Outbox(workspace)
    while len(outbox.all()) < n_deliveries or outbox.pending():
        engine.wait(0.02)
    engine.stop()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
