"""The engine of a workspace in a process of its own, until a signal ends it."""

import signal
import sys
import threading
from pathlib import Path

from core.actor import Actor, Origin
from core.engine import Engine
from core.state import Workspace


def main(root: str) -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    engine = Engine(Workspace.open(Path(root)), mode="headless", actor=Actor("ada", "desk", Origin.COMMAND_LINE))
    engine.start()
    print("working", flush=True)
    stop.wait()
    engine.stop()


if __name__ == "__main__":
    main(sys.argv[1])
