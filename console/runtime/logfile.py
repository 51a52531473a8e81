"""The log of a console: a rotated file, never the screen it draws on."""

import logging
from collections.abc import Callable
from pathlib import Path

from core.log_file import LogFile

MAX_BYTES = 100_000_000
N_BACKUPS = 5


def log_to(file: Path) -> Callable[[], None]:
    """Send warnings and worse of this process to a file; a terminal that is being drawn on is no place for them.

    Returns:
        A function that ends this and closes the file.
    """
    handler = LogFile(file, max_bytes=MAX_BYTES, n_kept=N_BACKUPS - 1)
    handler.setLevel(logging.WARNING)  # the rest of the engine's messages is in its own log
    logging.getLogger().addHandler(handler)

    def stop() -> None:
        logging.getLogger().removeHandler(handler)
        handler.close()

    return stop
