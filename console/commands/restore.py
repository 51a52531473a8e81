"""`bondx restore`: make a workspace of a backup, whole or one model, in an empty or new folder."""

import argparse
from pathlib import Path
from typing import Any

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
    add_key_arguments(parser, of="sealed files of versions, to compare them", prefix="sealed-")
    add_reason_argument(parser)
    add_json_argument(parser)
    parser.set_defaults(command=restore)


def restore(args: argparse.Namespace) -> int:
    """Restore, and print what was restored."""
    from console.cli.output import complain, print_json
    from console.presentation.phrases import counted, size
    from core.key_source import KeySource
    from core.maintenance.backup import BackupRepository, restore_model, restore_workspace, target_of
    from core.settings.backup import BackupSettings
    from core.settings.sealing import OF as SEALED

    target = workspace_root(args)
    named = KeySource(file=args.sealed_key_file, env=args.sealed_key_env, command=args.sealed_key_command)
    sealed_key = named.read(of=SEALED)
    repository = BackupRepository.open(target_of(args.folder), key_of(args, BackupSettings(), Path()))
    backup_id = args.backup or repository.newest()
    recorded: dict[str, Any] = {"actor": person(), "reason": args.reason, "sealed_key": sealed_key}
    if args.model:
        result = restore_model(repository, backup_id, args.model, target, **recorded)
    else:
        result = restore_workspace(repository, backup_id, target, **recorded)
    if args.json:
        print_json(result)
    else:
        what = f"the model {result.model}" if result.model else "the workspace"
        print(
            f"{result.workspace} is {what} of {result.backup_id}: {counted(result.n_files, 'file')}, "
            f"{size(result.n_bytes)}, in {result.seconds:.1f} s. Verified: "
            f"{counted(result.n_versions - result.n_uncompared, 'version')}, "
            f"{counted(result.n_records, 'audit record')}."
        )
    if result.n_uncompared:
        complain(
            f"The sealed files of {counted(result.n_uncompared, 'version')} were restored without comparing them, "
            "since their key is not named: --sealed-key-file, --sealed-key-env or --sealed-key-command names it."
        )
    for sentence in result.problems:
        complain(f"When the backup was taken: {sentence}")
    return ExitCode.GOOD
