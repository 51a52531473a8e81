"""`bondx backup`: copy the workspace while it runs, list the copies, and verify them; `bondx restore` is beside it."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from console.commands.opening import (
    Subparsers,
    add_json_argument,
    add_reason_argument,
    command_parser,
    open_workspace,
    person,
)
from console.commands.typed_numbers import count
from core.errors import ExitCode

if TYPE_CHECKING:
    from core.maintenance.backup import BackupRepository, BackupVerdict
    from core.settings.backup import BackupSettings


def add_parser(commands: Subparsers) -> None:
    """Add the command and its verbs."""
    parser = command_parser(
        commands, "backup", help="copy the whole workspace at one instant, while it runs; verify and list the copies"
    )
    parser.add_argument(
        "--to",
        metavar="FOLDER",
        help="the folder of the backups, or an address such as s3://safe/desk (default: backup.to)",
    )
    parser.add_argument(
        "--keep",
        type=count,
        metavar="N",
        help="remove all but the newest N backups there (default: backup.keep)",
    )
    add_key_arguments(parser)
    add_reason_argument(parser)
    add_json_argument(parser)
    parser.set_defaults(command=make_backup)
    verbs = parser.add_subparsers(title="verbs", metavar="VERB")
    listing = command_parser(verbs, "list", help="the backups of a folder or an address, the newest first")
    verify = command_parser(
        verbs, "verify", help="read every byte of backups and compare it with its hash: exit code 1 if one is damaged"
    )
    verify.add_argument("backup", metavar="BACKUP", nargs="*", help="b-20261127T201724Z (default: all)")
    verify.add_argument(
        "--set-aside",
        action="store_true",
        help="rename damaged content to NAME.damaged, so that the next backup writes it again",
    )
    for verb, function in ((listing, list_backups), (verify, verify_backups)):
        verb.add_argument(
            "--from", dest="folder", metavar="FOLDER", help="the folder or the address (default: backup.to)"
        )
        add_key_arguments(verb, default=argparse.SUPPRESS)
        verb.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print only JSON")
        verb.set_defaults(command=function)


def add_key_arguments(
    parser: argparse.ArgumentParser, *, default: object = "", of: str = "encrypted backups", prefix: str = ""
) -> None:
    """Accept the source of the key."""
    sources, name, key = parser.add_mutually_exclusive_group(), f"--{prefix}key", f"the {prefix.replace('-', ' ')}key"
    sources.add_argument(
        f"{name}-file", metavar="FILE", default=default, help=f"the file with the key of {of}, mode 600"
    )
    sources.add_argument(f"{name}-env", metavar="NAME", default=default, help=f"the environment variable with {key}")
    sources.add_argument(f"{name}-command", metavar="COMMAND", default=default, help=f"a command that prints {key}")


def make_backup(args: argparse.Namespace) -> int:
    """Copy the workspace, and print what that took."""
    from console.cli.output import complain, print_json
    from console.presentation.phrases import counted, size
    from core.maintenance.backup import create_backup, target_of
    from core.maintenance.backup.configured import target_in_settings
    from core.settings import settings_in_force

    workspace = open_workspace(args)
    settings = settings_in_force(workspace.root).backup
    result = create_backup(
        workspace,
        target_in_settings(settings, workspace.root, "--to") if args.to is None else target_of(args.to),
        key_of(args, settings, workspace.root),
        actor=person(),
        reason=args.reason,
        keep=args.keep or settings.keep,
        option="backup.to" if args.to is None else "--to",
    )
    if args.json:
        print_json(result)
    else:
        how = "encrypted" if result.is_encrypted else "not encrypted"
        print(f"{result.backup_id} in {result.folder}, {how}")
        print(
            f"{counted(result.n_files, 'file')}, {size(result.n_bytes)}; {size(result.n_new_bytes)} new there, "
            f"read again; what was there fits in size; {result.seconds:.1f} s; "
            f"changes waited {1000 * result.held_seconds:.0f} ms"
        )
        if result.removed:
            print(f"removed {counted(len(result.removed), 'older backup')}: {', '.join(result.removed)}")
        for sentence in result.left_out:
            print(f"left out: {sentence}")
    for sentence in result.problems:
        complain(sentence)
    if result.unaudited_because:
        complain(f"The backup is complete, but its record could not be written: {result.unaudited_because}")
    return ExitCode.FAILING if result.problems or result.unaudited_because else ExitCode.GOOD


def list_backups(args: argparse.Namespace) -> int:
    """Print the backups of a folder."""
    from console.cli.output import complain, print_json, print_table
    from console.presentation.phrases import size

    repository = open_repository(args)
    found = repository.listed()
    if args.json:
        print_json(found)
    else:
        rows = [
            {
                "backup": each.backup_id,
                "at": each.at or "-",
                "files": f"{each.n_files:,}",
                "size": size(each.n_bytes),
                "audit record": each.audit_sequence,
                "workspace": each.workspace,
            }
            for each in found
        ]
        print_table(rows, ("backup", "at", "files", "size", "audit record", "workspace"), empty="no finished backup")
        print(f"{repository.place} takes {size(repository.size())}")
    for each in found:
        if each.damage:
            complain(each.damage)
    return ExitCode.FAILING if any(each.damage for each in found) else ExitCode.GOOD


def verify_backups(args: argparse.Namespace) -> int:
    """Read every byte of backups; exit code 1 if one is damaged."""
    from console.cli.output import complain, print_json
    from console.presentation.phrases import counted, size
    from core.errors import NotFoundError

    repository = open_repository(args)
    known: dict[str, str] = {}
    ids = args.backup or [*reversed(repository.ids())] or [repository.newest()]
    verdicts: list[BackupVerdict] = []
    for backup_id in ids:
        try:
            verdicts.append(repository.verify(backup_id, whole=known))
        except NotFoundError:
            if args.backup:
                raise  # a person named it; otherwise a newer backup has dropped it meanwhile
    if args.json:
        print_json(verdicts)
    else:
        for verdict in verdicts:
            if verdict.ok:
                print(f"{verdict.backup_id}: intact ({counted(verdict.n_files, 'file')}, {size(verdict.n_bytes)})")
            else:
                complain(f"{verdict.backup_id} is damaged. {verdict.damage[0]}{_more(verdict)}")
    damaged = sorted({name for verdict in verdicts for name in verdict.content})
    if args.set_aside and damaged:
        for place in repository.set_aside(damaged):
            complain(
                f"{place} was set aside. Take another backup: it writes this content if the workspace still has it."
            )
    return ExitCode.GOOD if all(verdict.ok for verdict in verdicts) else ExitCode.FAILING


def _more(verdict: "BackupVerdict") -> str:
    n = len(verdict.damage) - 1
    return f" {n:,} more files cannot be restored either; --json lists them." if n else ""


def open_repository(args: argparse.Namespace) -> "BackupRepository":
    """Open the folder or the address that the person named, or that of the settings."""
    from core.maintenance.backup import BackupRepository, target_of
    from core.maintenance.backup.configured import target_in_settings
    from core.settings import settings_in_force
    from core.settings.backup import BackupSettings

    if getattr(args, "folder", None) is not None:
        return BackupRepository.open(target_of(args.folder), key_of(args, BackupSettings(), Path()))
    workspace = open_workspace(args)
    settings = settings_in_force(workspace.root).backup
    target = target_in_settings(settings, workspace.root, "--from")
    return BackupRepository.open(target, key_of(args, settings, workspace.root))


def key_of(args: argparse.Namespace, settings: "BackupSettings", root: Path) -> bytes | None:
    """Read the key that the person named; else that of the settings."""
    from core.key_source import KeySource
    from core.maintenance.backup.configured import key_source

    typed = KeySource(file=args.key_file, env=args.key_env, command=args.key_command)
    return typed.read() if typed != KeySource() else key_source(settings).read(root)
