"""`bondx doctor`: find what is damaged in a workspace, and bring back the last good generation."""

import argparse
from pathlib import Path

from console.commands.opening import Subparsers, add_json_argument, command_parser, open_workspace, person
from core.errors import ExitCode


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = command_parser(commands, "doctor", help="check every file of the workspace; restore a damaged one")
    parser.add_argument(
        "--restore",
        type=Path,
        metavar="FILE",
        help="bring back the last good generation of this state file; the damaged bytes are kept beside it",
    )
    add_json_argument(parser)
    parser.set_defaults(command=doctor)


def doctor(args: argparse.Namespace) -> int:
    """Print findings (exit code 1 if any), or restore one file."""
    from console.cli.output import print_json, print_sentences

    workspace = open_workspace(args)
    if args.restore is not None:
        from core.maintenance.restore import restore

        outcome = restore(workspace, args.restore, actor=person())
        if args.json:
            print_json(outcome)
        else:
            print(outcome)
        return ExitCode.GOOD
    from core.maintenance.doctor import examine

    findings = examine(workspace)
    if args.json:
        print_json(findings)
    else:
        for finding in findings:
            print_sentences(str(finding.file), {"problem": finding.problem, "cure": finding.cure})
        if not findings:
            print(f"{workspace.root}: everything is whole")
    return ExitCode.FAILING if findings else ExitCode.GOOD
