"""The engine's log: `logs/engine.log`, with all log messages of `core`, rotated."""

import logging
from collections.abc import Callable
from contextlib import suppress
from logging.handlers import RotatingFileHandler

from typing_extensions import override

from core.state import Workspace

MAX_BYTES = 100 << 20
N_KEPT = 5


class _Journal(RotatingFileHandler):
    """A log handler that ignores write errors: on a full disk, each line would print a traceback to the terminal."""

    @override
    def handleError(self, record: logging.LogRecord) -> None:
        pass


def open_log(workspace: Workspace) -> Callable[[], None]:
    """Start to write the log of this process's engine to its workspace.

    Returns:
        A function that closes the log.
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
        with suppress(OSError):  # an error about the last line, which still cannot be written
            handler.close()

    return close
