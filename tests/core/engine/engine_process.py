"""An engine in a process of its own that works until no session is left to train; killed by the tests at will."""

import sys
from pathlib import Path

from core.actor import Actor, Origin
from core.engine import Engine
from core.state import Workspace
from core.training.sessions import Sessions


def main(root: str) -> None:
    workspace = Workspace.open(Path(root))
    engine = Engine(workspace, mode="headless", actor=Actor("ada", "desk", Origin.COMMAND_LINE))
    engine.start()
    sessions = Sessions(workspace)
    while any(session.wants_work for session in sessions.all()):
        engine.wait(0.02)
    engine.stop()


if __name__ == "__main__":
    main(sys.argv[1])
