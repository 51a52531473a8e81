"""Opening the console in a terminal, and leaving that terminal in order."""

import sys
from pathlib import Path

from console.app.app import BondxApp
from console.runtime.engine_host import Hosting
from console.runtime.hangup import HangupWatch, restore_terminal
from core.settings import load_cached_settings
from core.state import Workspace


def run_console(
    root: Path,
    *,
    read_only: bool = False,
    theme: str | None = None,
    mouse: bool | None = None,
    embed: bool = True,
    serves_at: str | None = None,
) -> int:
    """Run the console on a workspace until the operator leaves.

    Args:
        root: The folder of the workspace.
        read_only: Never change anything, and start no engine.
        theme: A theme's name; None follows the settings.
        mouse: Whether to take the mouse; None follows the settings.
        embed: Start an engine inside the console if none is running.
        serves_at: Where this process serves predictions, if it does.
    Returns:
        The exit code: 0 after leaving, 143 after SIGTERM, 1 after a bug. A dropped line ends the process with 129.
    Raises:
        CoreError: The workspace or its settings cannot be read.
    """
    from console.runtime.logfile import log_to

    workspace = Workspace.open(root)
    settings = load_cached_settings(workspace.settings_file, cached_in=workspace.cache_dir / "settings.json")
    if theme is not None:
        from console.verbs.view import theme_named

        theme = theme_named(theme)
    log_to(workspace.logs_dir / "console.log")
    app = BondxApp(workspace, settings, read_only=read_only, theme=theme, embed=embed, serves_at=serves_at)
    HangupWatch(app.host.stop).install()
    try:
        app.run(mouse=settings.console.mouse if mouse is None else mouse)
    finally:
        restore_terminal()
        if app.host.hosting is Hosting.EMBEDDED:
            print("bondx: stopping the engine after the current epoch…", file=sys.stderr)
            app.host.stop()
    return app.return_code or 0
