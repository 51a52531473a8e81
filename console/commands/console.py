"""`bondx` without a command: the console."""

import argparse
import sys
from typing import Any

from console.cli.process_log import keeps_its_log
from console.commands.opening import add_create_argument, open_or_create_workspace
from console.runtime import collector
from core.errors import UsageError


def add_console_arguments(parser: argparse.ArgumentParser, *, suppress_defaults: bool = False) -> None:
    """Accept the look and the write access of a console.

    Args:
        parser: The parser to extend.
        suppress_defaults: For a command below the top parser, which accepts the same arguments: a default here
            would overwrite an argument given before the command.
    """
    add_create_argument(parser, **_suppressed(suppress_defaults))
    parser.set_defaults(opens_console=True)
    add_look_arguments(parser, suppress_defaults=suppress_defaults)


def add_look_arguments(parser: argparse.ArgumentParser, *, suppress_defaults: bool = False) -> None:
    """Accept the look of a console, and that it changes nothing; see `add_console_arguments`."""
    suppressed = _suppressed(suppress_defaults)
    group = parser.add_argument_group("console")
    group.add_argument(
        "--read-only", action="store_true", help="never arm: this console can change nothing", **suppressed
    )
    themes = "bondx-dark, bondx-light, bondx-ansi or bondx-colourblind"
    group.add_argument("--theme", metavar="NAME", help=themes, **suppressed)
    mouse: dict[str, Any] = {"default": None} | suppressed
    group.add_argument("--no-mouse", dest="mouse", action="store_false", help="leave the mouse alone", **mouse)


def _suppressed(suppress_defaults: bool) -> dict[str, Any]:
    return {"default": argparse.SUPPRESS} if suppress_defaults else {}


def has_terminal() -> bool:
    """Return whether a person can use a console here."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))


@keeps_its_log
def open_console(args: argparse.Namespace, *, serves_at: str | None = None) -> int:
    """Open the console, attached to the running engine or with its own.

    Raises:
        UsageError: There is no terminal to draw on.
    """
    if not has_terminal():
        raise UsageError(
            "The console needs a terminal; without one, `bondx status --plain` shows the state and "
            "`bondx run --headless` trains."
        )
    with collector.paused():
        from console.app.start import run_console

        workspace = open_or_create_workspace(args)
        return run_console(
            workspace.root, read_only=args.read_only, theme=args.theme, mouse=args.mouse, serves_at=serves_at
        )
