"""`bondx audit`: read the record of every change, and verify that nobody edited it."""

import argparse
from pathlib import Path

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
        verbs,
        "verify",
        help="check the log and the state files: exit code 1 if one was edited outside the program",
    )
    verify.add_argument(
        "--anchor", type=Path, metavar="FILE", help="positions kept elsewhere by `audit anchor`; the log must hold each"
    )
    add_json_argument(verify)
    verify.set_defaults(command=verify_chain)
    anchor = command_parser(
        verbs, "anchor", help="print the newest position of the log, to keep where this account cannot write"
    )
    anchor.add_argument("--to", type=Path, metavar="FILE", help="append it to a file, for example on another machine")
    anchor.set_defaults(command=show_anchor)


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
    """Check every record, the head in the state files, the state files themselves, and anchors kept elsewhere."""
    from console.cli.output import print_json
    from core.governance import AuditLog, read_anchors

    anchors = read_anchors(args.anchor) if args.anchor else []
    verdict = AuditLog(open_workspace(args)).verify(anchors)
    if args.json:
        print_json(verdict)
    elif verdict.ok:
        note = f" ({verdict.reason})" if verdict.reason else ""
        print(f"{verdict.n_records} records, chain intact{note}")
    else:
        place = f"record {verdict.first_bad_sequence}: " if verdict.first_bad_sequence else ""
        print(f"{place}{verdict.reason}")
    return ExitCode.GOOD if verdict.ok else ExitCode.FAILING


def show_anchor(args: argparse.Namespace) -> int:
    """Print the newest position of the log, or append it to a file."""
    from core.governance import AuditLog, append_anchor, spelled_anchor

    anchor = AuditLog(open_workspace(args)).anchor()
    if args.to is None:
        print(spelled_anchor(anchor))
    else:
        append_anchor(args.to, anchor)
        print(f"anchored record {anchor.sequence} in {args.to}")
    return ExitCode.GOOD
