"""The engine's log: `logs/engine.log`, with all log messages of `core`, rotated."""

import logging
from collections.abc import Callable
from contextlib import suppress

from core.log_file import LogFile
from core.state import Workspace

MAX_BYTES = 100 << 20
N_KEPT = 5


def open_log(workspace: Workspace) -> Callable[[], None]:
    """Start to write the log of this process's engine to its workspace.

    Returns:
        A function that closes the log.
    """
    handler = LogFile(workspace.logs_dir / "engine.log", max_bytes=MAX_BYTES, n_kept=N_KEPT)
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
