"""`bondx init`: create a workspace."""

import argparse

from console.commands.opening import Subparsers, command_parser, create_workspace
from core.errors import ExitCode


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = command_parser(commands, "init", help="create a workspace with a commented bondx.yaml")
    parser.set_defaults(command=init)


def init(args: argparse.Namespace) -> int:
    """Create the folders and write the settings file; existing files stay unchanged."""
    workspace = create_workspace(args)
    print(f"workspace {workspace.root}")
    print(f"settings  {workspace.settings_file}")
    return ExitCode.GOOD
