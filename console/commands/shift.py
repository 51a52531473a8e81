"""`bondx shift`: what happened while nobody of the next shift looked."""

import argparse

from console.commands.opening import Subparsers, add_json_argument, command_parser, open_workspace
from core.errors import ExitCode


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = command_parser(
        commands, "shift", help="the summary of a shift: what fired, who took it, what was changed, who was here"
    )
    parser.add_argument(
        "--since", metavar="TIME", help="8h (default), 2d, 02:50, or 2026-03-01T02:50 (UTC): since when"
    )
    add_json_argument(parser)
    parser.set_defaults(command=show_shift)


def show_shift(args: argparse.Namespace) -> int:
    """Print the summary."""
    from console.cli.output import print_json, printable
    from console.presentation.shift import shift_lines
    from core.clock import utc_now
    from core.view.shift import shift_summary, start_of_shift

    now = utc_now()
    summary = shift_summary(open_workspace(args), start_of_shift(args.since, now), now)
    if args.json:
        print_json(summary)
    else:
        for line in shift_lines(summary):
            print(printable(line.text).rstrip())
    return ExitCode.GOOD
