"""`bondx audit`: read the record of every change, and verify that nobody edited it."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from console.commands.opening import Subparsers, add_json_argument, command_parser, noun_parser, open_workspace
from console.commands.typed_numbers import count
from core.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.governance import AuditRecord


def add_parser(commands: Subparsers) -> None:
    """Add the noun and its verbs."""
    verbs = noun_parser(commands, "audit", help="read and verify the record of every change")
    tail = command_parser(verbs, "tail", help="the newest records, oldest first")
    tail.add_argument("-n", type=count, default=20, metavar="N", help="number of records (default 20)")
    add_json_argument(tail)
    tail.set_defaults(command=show_tail)
    listing = command_parser(verbs, "list", help="records by actor, verb, object and time, oldest first")
    listing.add_argument("--actor", default="", metavar="WHO", help="ana, ana@desk, or a pattern with *")
    listing.add_argument("--verb", default="", metavar="VERB", help="promote, version.promote, or a pattern with *")
    listing.add_argument("--object", default="", metavar="TEXT", help="a part of the object's name, such as spread")
    listing.add_argument("--since", metavar="TIME", help="02:50, or 2026-03-01T02:50 (UTC)")
    listing.add_argument("--until", metavar="TIME", help="likewise")
    listing.add_argument("--people", action="store_true", help="leave out the changes of the engine")
    listing.add_argument("-n", type=count, metavar="N", help="only the newest N")
    add_json_argument(listing)
    listing.set_defaults(command=list_records)
    epochs = command_parser(
        verbs, "epochs", help="the records of a session's epochs, oldest first; the log holds their Merkle root"
    )
    epochs.add_argument("session", metavar="SESSION", help="s-0001")
    epochs.add_argument("-n", type=count, default=20, metavar="N", help="number of epochs (default 20)")
    add_json_argument(epochs)
    epochs.set_defaults(command=list_epochs)
    prove = command_parser(
        verbs, "prove", help="print the proof that an epoch is in the log, as JSON: checked without this workspace"
    )
    prove.add_argument("session", metavar="SESSION", help="s-0001")
    prove.add_argument("epoch", type=count, metavar="EPOCH", help="its number")
    prove.set_defaults(command=prove_epoch)
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
    from core.governance import AuditLog

    return _print_records(AuditLog(open_workspace(args)).tail(args.n), args, empty="nothing has been recorded yet")


def list_records(args: argparse.Namespace) -> int:
    """Print the wanted records."""
    from core.clock import read_instant, utc_now
    from core.governance import AuditFilter, AuditLog

    now = utc_now()
    since, until = (read_instant(text, now) if text else None for text in (args.since, args.until))
    wanted = AuditFilter(
        actor=args.actor, verb=args.verb, object=args.object, since=since, until=until, by_people=args.people
    )
    found = AuditLog(open_workspace(args)).search(wanted, limit=args.n)
    return _print_records(found[::-1], args, empty="no record matches")


def list_epochs(args: argparse.Namespace) -> int:
    """Print the records of a session's newest epochs."""
    from core.governance import AuditLog

    found = AuditLog(open_workspace(args)).epochs(args.session, limit=args.n)
    return _print_records(found[::-1], args, empty="no epoch can be read")


def prove_epoch(args: argparse.Namespace) -> int:
    """Print the proof that the log sealed an epoch."""
    from console.cli.output import print_json
    from core.governance import AuditLog

    print_json(AuditLog(open_workspace(args)).prove_epoch(args.session, args.epoch))
    return ExitCode.GOOD


def _print_records(records: "Sequence[AuditRecord]", args: argparse.Namespace, *, empty: str) -> int:
    from console.cli.output import print_json, print_table

    if args.json:
        print_json(records)
    else:
        columns = ("sequence", "at", "actor", "verb", "object", "reason")
        print_table([{name: getattr(record, name) for name in columns} for record in records], columns, empty=empty)
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
        print(f"chain intact: {verdict.reason}")
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
