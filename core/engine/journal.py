"""The engine's logs: all log messages of `core`, each in the log of its part (see `core.log_folder`), rotated."""

from collections.abc import Callable

from core.log_folder import write_logs
from core.log_level import level_in_force
from core.settings import LoggingSettings
from core.state import Workspace


def open_log(workspace: Workspace, settings: LoggingSettings | None = None) -> Callable[[], None]:
    """Start to write the log of this process's engine to its workspace.

    Args:
        workspace: The workspace.
        settings: The level, unless `LOG_LEVEL` gives another, and the format; by default INFO as text.
    Returns:
        A function that closes the log.
    """
    settings = settings or LoggingSettings()
    return write_logs(
        workspace.logs_dir,
        "engine",
        level=level_in_force(settings.level),
        as_json=settings.format == "json",
        of="core",
    )
