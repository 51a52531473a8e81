"""`bondx attach`: the console on a workspace of another account, through the socket of its engine."""

import argparse
import os
from pathlib import Path

from console.cli.process_log import keeps_its_log
from console.commands.console import add_look_arguments, has_terminal
from console.commands.opening import Subparsers, command_parser
from core.errors import ExitCode, UsageError


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = command_parser(
        commands, "attach", help="open the console on a workspace of another account, through the socket of its engine"
    )
    parser.add_argument("socket", type=Path, metavar="SOCKET", help="the path in console.socket of its settings")
    add_look_arguments(parser, suppress_defaults=True)
    parser.set_defaults(command=attach, opens_console=True)


@keeps_its_log
def attach(args: argparse.Namespace) -> int:
    """Show the console until it ends.

    Raises:
        UsageError: There is no terminal, or no engine at the socket.
        RefusedError: The engine does not let this account in.
    """
    if not has_terminal():
        raise UsageError("The console needs a terminal, and here is none.")
    from console.cli.output import complain
    from console.runtime import attaching
    from console.runtime.attachment import AttachRequest
    from console.runtime.preferences import UserPreferences
    from widgets.glyphs import speaks_utf8

    request = AttachRequest(
        term=os.environ.get("TERM") or "dumb",
        has_true_colours=os.environ.get("COLORTERM", "").lower() in ("truecolor", "24bit"),
        wants_no_colours=bool(os.environ.get("NO_COLOR")),
        speaks_utf8=speaks_utf8(os.environ),
        read_only=args.read_only,
        theme=args.theme,
        mouse=args.mouse,
        keys=dict(UserPreferences().keys),
    )
    code = attaching.attach(args.socket, request)
    if code is None:
        complain("the console was killed, for its memory or because the right to it ended; attach again if you may")
        return ExitCode.FAILING
    return code
