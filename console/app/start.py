"""Opening the console in a terminal, and leaving that terminal in order."""

import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from console.app.app import BondxApp
from console.app.opening import settings_to_show
from console.runtime.engine_host import Hosting
from console.runtime.hangup import HangupWatch, draw_on_terminal, restore_terminal
from core.allocator import limit_arenas, return_large_blocks
from core.errors import CoreError
from core.state import Workspace

if TYPE_CHECKING:
    from core.governance.attached_consoles import ConsoleAdmission


def run_console(
    root: Path,
    *,
    read_only: bool = False,
    theme: str | None = None,
    mouse: bool | None = None,
    embed: bool = True,
    serves_at: str | None = None,
    admission: "ConsoleAdmission | None" = None,
) -> int:
    """Run the console on a workspace, and on those it is left for, until the operator leaves.

    Args:
        root: The folder of the workspace.
        read_only: Never change anything, and start no engine.
        theme: A theme's name; None follows the settings.
        mouse: Whether to take the mouse; None follows the settings.
        embed: Start an engine inside the console if none is running.
        serves_at: Where this process serves predictions, if it does.
        admission: The right of another account, for which this process acts; None for the account of the process.
    Returns:
        The exit code: 0 after leaving, 143 after SIGTERM, 1 after a bug. A dropped line ends the process with 129.
    Raises:
        CoreError: The workspace cannot be opened.
    """
    if theme is not None:
        from console.verbs.view import theme_named

        theme = theme_named(theme)
    limit_arenas()
    return_large_blocks()
    draw_on_terminal()
    open_app = partial(_open, read_only=read_only, theme=theme, embed=embed, serves_at=serves_at, admission=admission)
    app = open_app(root)
    HangupWatch(lambda: app.host.stop()).install()  # noqa: PLW0108 (the app of that moment, not this one)
    while True:
        _run(app, mouse=app.settings.console.mouse if mouse is None else mouse)
        if app.following is None:
            if app.farewell:
                print(f"bondx: {app.farewell}", file=sys.stderr)
            return app.return_code or 0
        app = _follow(app, open_app)


def _open(root: Path, *, admission: "ConsoleAdmission | None", **options: Any) -> BondxApp:
    """Make the app of a workspace; `options` are those of `BondxApp`."""
    workspace = Workspace.open(root)
    remember = partial(_remember, workspace) if admission is None else None
    return BondxApp(workspace, settings_to_show(workspace), when_ready=remember, admission=admission, **options)


def _follow(left: BondxApp, open_app: Callable[[Path], BondxApp]) -> BondxApp:
    """Make the app of the workspace that a console was left for; it names the keys that differ there."""
    following = left.following or left.workspace.root
    try:
        app = open_app(following)
    except CoreError as error:  # it has gone since it was checked
        app = open_app(left.workspace.root)
        app.notice = f"{following.name} is not opened: {error}"
    else:
        app.notice = " ".join(filter(None, (left.farewell, app.keymap.differences(left.keymap))))
    return app


def _run(app: BondxApp, *, mouse: bool) -> None:
    """Run one app until it is left, and stop its engine in order."""
    from console.runtime.logfile import log_to

    stop_logging = log_to(app.workspace.logs_dir, app.settings.logging)
    try:
        app.run(mouse=mouse)
    finally:
        restore_terminal()
        if app.host.hosting is Hosting.EMBEDDED:
            print("bondx: stopping the engine after the current epoch…", file=sys.stderr)
            app.host.stop()
        stop_logging()


def _remember(workspace: Workspace) -> None:
    """Put a workspace on the list of recent ones, if that can be written."""
    from core.clock import utc_now
    from core.state.recent_workspaces import RecentWorkspaces

    with suppress(CoreError):
        RecentWorkspaces.of_user().remember(workspace.root, utc_now())
