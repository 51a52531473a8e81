"""`bondx audit`: read the record of every change, and verify that nobody edited it."""

import argparse

from console.commands.opening import Subparsers, add_json_argument, command_parser, count, noun_parser, open_workspace
from core.errors import ExitCode


def add_parser(commands: Subparsers) -> None:
    """Add the noun and its verbs."""
    verbs = noun_parser(commands, "audit", help="read and verify the record of every change")
    tail = command_parser(verbs, "tail", help="the newest records, oldest first")
    tail.add_argument("-n", type=count, default=20, metavar="N", help="number of records (default 20)")
    add_json_argument(tail)
    tail.set_defaults(command=show_tail)
    verify = command_parser(
        verbs, "verify", help="check the chain: exit code 1 if a record was edited, moved or removed"
    )
    add_json_argument(verify)
    verify.set_defaults(command=verify_chain)


def show_tail(args: argparse.Namespace) -> int:
    """Print the newest records."""
    import msgspec

    from console.cli.output import print_json, print_table
    from core.governance import AuditLog

    records = AuditLog(open_workspace(args)).tail(args.n)
    if args.json:
        print_json(records)
    else:
        rows = [msgspec.to_builtins(record, builtin_types=(type(record.at),)) for record in records]
        columns = ("sequence", "at", "actor", "verb", "object", "reason")
        print_table(rows, columns, empty="nothing has been recorded yet")
    return ExitCode.GOOD


def verify_chain(args: argparse.Namespace) -> int:
    """Check every record against the one before it and against the head kept in the state file."""
    from console.cli.output import print_json
    from core.governance import AuditLog

    verdict = AuditLog(open_workspace(args)).verify()
    if args.json:
        print_json(verdict)
    elif verdict.ok:
        note = f" ({verdict.reason})" if verdict.reason else ""
        print(f"{verdict.n_records} records, chain intact{note}")
    else:
        print(f"record {verdict.first_bad_sequence}: {verdict.reason}")
    return ExitCode.GOOD if verdict.ok else ExitCode.FAILING
