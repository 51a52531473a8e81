"""The engine inside this console: started when nobody holds the lease, stopped when the console leaves."""

import logging
import threading
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

from core.actor import Actor
from core.errors import CoreError
from core.state import LeaseHeldError, Workspace

if TYPE_CHECKING:
    from console.runtime.doorway import Doorway
    from core.engine.engine import Engine

log = logging.getLogger("bondx.console")


class Hosting(Enum):
    """The relation of this console to the engine."""

    NONE = "none"
    STARTING = "starting"
    EMBEDDED = "embedded"
    ATTACHED = "attached"
    STOPPING = "stopping"


class EngineHost:
    """Starts and stops an embedded engine in threads; `report` is called with each change, from those threads."""

    def __init__(self, workspace: Workspace, actor: Actor, report: Callable[[Hosting, str], None]) -> None:
        self._workspace = workspace
        self._actor = actor
        self._report = report
        self._engine: Engine | None = None
        self._doorway: Doorway | None = None
        self._lock = threading.Lock()
        self.hosting = Hosting.NONE

    def start(self) -> None:
        """Start the engine in its own thread: its imports must not delay the first paint."""
        self._become(Hosting.STARTING, "")
        threading.Thread(target=self._start, name="engine-start", daemon=True).start()

    def stop(self, timeout_seconds: float | None = None) -> None:
        """Stop an embedded engine: the epoch at work ends and a checkpoint stays. Blocks; others are untouched."""
        with self._lock:
            if self._engine is None:
                return
            self._become(Hosting.STOPPING, "")
            if self._doorway is not None:
                self._doorway.close()
            self._engine.stop(timeout_seconds)
            self._engine = None
            self._become(Hosting.NONE, "")

    def _start(self) -> None:
        with self._lock:
            try:
                from core.engine.engine import Engine

                engine = Engine(self._workspace, mode="embedded", actor=self._actor, on_loss=self._lost)
                engine.start()
            except LeaseHeldError:
                self._become(Hosting.ATTACHED, "")
            except CoreError as error:
                self._become(Hosting.NONE, f"The engine could not be started: {error}")
            except Exception:
                log.exception("The engine could not be started.")
                self._become(Hosting.NONE, "The engine could not be started; logs/console.log says why.")
            else:
                self._engine = engine
                self._open_doorway()
                self._become(Hosting.EMBEDDED, "")

    def _open_doorway(self) -> None:
        """Let consoles of other accounts in, if the settings say so; the engine works without them."""
        from console.runtime.doorway import Doorway
        from core.settings import settings_in_force

        try:
            if (doorway := Doorway.of(self._workspace, settings_in_force(self._workspace.root).console)) is not None:
                doorway.open()
                self._doorway = doorway
        except CoreError as error:
            self._report(self.hosting, str(error))

    def _lost(self, sentence: str) -> None:
        self._engine = None
        if self._doorway is not None:
            self._doorway.close()
        self._become(Hosting.NONE, sentence)

    def _become(self, hosting: Hosting, problem: str) -> None:
        self.hosting = hosting
        self._report(hosting, problem)
