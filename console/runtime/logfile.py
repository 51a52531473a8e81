"""The log of a console: a rotated file, never the screen it draws on."""

import logging
from collections.abc import Callable
from pathlib import Path

from core.log_folder import write_logs
from core.log_level import level_in_force
from core.settings import LoggingSettings


def log_to(folder: Path, settings: LoggingSettings) -> Callable[[], None]:
    """Send warnings and worse of this process to its logs; a terminal that is being drawn on is no place for them.

    What the engine says below that is in the engine's own logs, unless everything is wanted.

    Args:
        folder: The logs of the workspace.
        settings: The level, unless `LOG_LEVEL` gives another, and the format.
    Returns:
        A function that ends this and closes the logs.
    """
    level = level_in_force(settings.level)
    if level >= logging.INFO:
        level = max(level, logging.WARNING)
    return write_logs(folder, "console", level=level, as_json=settings.format == "json")
