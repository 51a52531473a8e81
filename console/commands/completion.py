"""`bondx completion`: the script with which a shell completes commands, options and names of the workspace."""

import argparse
from pathlib import Path

from console.cli.completion import SHELLS
from console.commands.opening import Subparsers, command_parser
from core.errors import ExitCode


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = command_parser(
        commands, "completion", help="print the script that completes commands, options and names in a shell"
    )
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=f"{', '.join(SHELLS)}")
    parser.set_defaults(command=print_script)


def print_script(args: argparse.Namespace) -> int:
    """Print the script of a shell, for bondx and bondx-mlops."""
    import console.cli.completion
    from core.plain_files import read_file

    script = read_file(Path(console.cli.completion.__file__).with_name(f"bondx.{args.shell}"))
    print(script.decode(), end="")
    return ExitCode.GOOD
