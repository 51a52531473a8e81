"""`bondx restore`: make a workspace of a backup, whole or one model, in an empty or new folder."""

import argparse
from pathlib import Path

from console.commands.backup import add_key_arguments, key_of
from console.commands.opening import (
    Subparsers,
    add_json_argument,
    add_reason_argument,
    command_parser,
    person,
    workspace_root,
)
from core.errors import ExitCode


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = command_parser(
        commands, "restore", help="make a workspace of a backup in the empty or new folder of --workspace, verified"
    )
    parser.add_argument("backup", metavar="BACKUP", nargs="?", help="b-20261127T201724Z (default: the newest)")
    parser.add_argument(
        "--from", dest="folder", metavar="FOLDER", required=True, help="the folder or the address of the backups"
    )
    parser.add_argument("--model", default="", metavar="NAME", help="only this model, with all of its versions")
    add_key_arguments(parser)
    add_reason_argument(parser)
    add_json_argument(parser)
    parser.set_defaults(command=restore)


def restore(args: argparse.Namespace) -> int:
    """Restore, and print what was restored."""
    from console.cli.output import complain, print_json
    from console.presentation.phrases import counted, size
    from core.maintenance.backup import BackupRepository, restore_model, restore_workspace, target_of
    from core.settings.backup import BackupSettings

    target = workspace_root(args)
    repository = BackupRepository.open(target_of(args.folder), key_of(args, BackupSettings(), Path()))
    backup_id = args.backup or repository.newest()
    if args.model:
        result = restore_model(repository, backup_id, args.model, target, actor=person(), reason=args.reason)
    else:
        result = restore_workspace(repository, backup_id, target, actor=person(), reason=args.reason)
    if args.json:
        print_json(result)
    else:
        what = f"the model {result.model}" if result.model else "the workspace"
        print(
            f"{result.workspace} is {what} of {result.backup_id}: {counted(result.n_files, 'file')}, "
            f"{size(result.n_bytes)}, in {result.seconds:.1f} s. Verified: {counted(result.n_versions, 'version')}, "
            f"{counted(result.n_records, 'audit record')}."
        )
    for sentence in result.problems:
        complain(f"When the backup was taken: {sentence}")
    return ExitCode.GOOD
