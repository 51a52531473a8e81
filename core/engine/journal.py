"""The engine's log: `logs/engine.log`, what everything below `core` has to say, rotated."""

import logging
from collections.abc import Callable
from contextlib import suppress
from logging.handlers import RotatingFileHandler

from typing_extensions import override

from core.state import Workspace

MAX_BYTES = 100 << 20
N_KEPT = 5


class _Journal(RotatingFileHandler):
    """A log that is silent while it cannot be written: on a full disk, each line would be a traceback on a terminal."""

    @override
    def handleError(self, record: logging.LogRecord) -> None:
        pass


def open_log(workspace: Workspace) -> Callable[[], None]:
    """Write the log of this process's engine to its workspace.

    Returns:
        What ends it.
    """
    handler = _Journal(
        workspace.logs_dir / "engine.log", maxBytes=MAX_BYTES, backupCount=N_KEPT, encoding="utf-8", delay=True
    )
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    source = logging.getLogger("core")
    level_before = source.level
    source.addHandler(handler)
    source.setLevel(logging.INFO)

    def close() -> None:
        source.removeHandler(handler)
        source.setLevel(level_before)
        with suppress(OSError):  # of the last line, which nobody can write now either
            handler.close()

    return close
