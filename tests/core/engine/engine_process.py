"""An engine in a process of its own that works until no session is left to train, or dies at a chosen point."""

import sys
from pathlib import Path

from core.actor import Actor, Origin
from core.engine import Engine
from core.state import Workspace
from core.training.sessions import Sessions
from tests.processes import Death


def main(root: str, dies_at: int) -> None:
    death = Death(dies_at, thread="engine-trainer")
    death.await_it()
    workspace = Workspace.open(Path(root))
    engine = Engine(workspace, mode="headless", actor=Actor("ada", "desk", Origin.COMMAND_LINE))
    engine.start()
    sessions = Sessions(workspace)
    while any(session.wants_work for session in sessions.all()):
        engine.wait(0.02)
    engine.stop()
    print(death.n_points)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
