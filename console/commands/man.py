"""`bondx man`: the manual pages."""

import argparse

from console.commands.opening import Subparsers, command_parser
from core.errors import ExitCode, UsageError


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = command_parser(commands, "man", help="print a manual page: bondx man registry | man -l -")
    parser.add_argument(
        "page", nargs="?", default="bondx", metavar="PAGE", help="a command, or mlops for bondx-mlops (default: bondx)"
    )
    parser.set_defaults(command=print_page)


def print_page(args: argparse.Namespace) -> int:
    """Print a page in roff, which man and mandoc show."""
    from datetime import UTC, datetime
    from pathlib import Path

    from console.cli.man_pages import Imprint, man_page, page_names
    from core.installed_packages import own_release

    name = args.page if args.page in page_names() else f"bondx-{args.page}"
    if name not in page_names():
        known = ", ".join(page.removeprefix("bondx-") for page in page_names())
        raise UsageError(f"There is no page {args.page}. Pages: {known}.")
    # Of an installed wheel, the files are as old as its release.
    written_at = datetime.fromtimestamp(Path(__file__).stat().st_mtime, UTC)
    print(man_page(name, Imprint(own_release(), written_at.date())), end="")
    return ExitCode.GOOD
