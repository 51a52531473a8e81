"""`bondx policy`: what another policy would have done."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from console.commands.opening import Subparsers, add_json_argument, command_parser, noun_parser, open_workspace
from core.errors import ExitCode

if TYPE_CHECKING:
    from core.retraining.rehearsal.documents import Rehearsal


def add_parser(commands: Subparsers) -> None:
    """Add the noun and its verbs."""
    verbs = noun_parser(commands, "policy", help="rehearse another policy on the recorded past")
    rehearse = command_parser(
        verbs,
        "rehearse",
        help="what another policy would have done: promotions, rollbacks, rollouts, retrainings and alerts",
    )
    rehearse.add_argument(
        "--policy", type=Path, metavar="FILE", required=True, help="the other policy, laid over bondx.yaml"
    )
    rehearse.add_argument("--over", metavar="DURATION", default="30d", help="how far back (default: 30d)")
    rehearse.add_argument("--model", metavar="MODEL", action="append", default=[], help="only this one; repeatable")
    rehearse.add_argument("--all", action="store_true", help="print what stays the same, too")
    add_json_argument(rehearse)
    rehearse.set_defaults(command=rehearse_policy)


def rehearse_policy(args: argparse.Namespace) -> int:
    """Replay the recorded past under another policy; nothing is changed."""
    from console.cli.output import print_json
    from core.clock import read_duration, utc_now
    from core.retraining.rehearsal.rehearse import rehearse
    from core.settings import load_policy

    workspace, over = open_workspace(args), read_duration(args.over)
    policy = load_policy(workspace.root, config=args.policy)
    found = rehearse(workspace, policy, over=over, now=utc_now(), models=tuple(args.model))
    if args.json:
        print_json({"rehearsal": found, "counts": found.counts()})
    else:
        _print_rehearsal(found, shows_all=args.all)
    return ExitCode.GOOD


def _print_rehearsal(found: "Rehearsal", *, shows_all: bool) -> None:
    from console.cli.output import print_facts, print_table, printable

    print_facts({"since": found.since, "until": found.until, "recorded since": found.recorded_since})
    print()
    counts = [
        {
            "kind": each.kind,
            "happened": each.happened,
            "would": each.would,
            "unknown": each.unknown,
            "seconds": round(each.seconds, 1),
            "would_seconds": round(each.would_seconds, 1),
        }
        for each in found.counts()
    ]
    columns = ("kind", "happened", "would", "unknown", "seconds", "would_seconds")
    print_table(counts, columns, empty="nothing is recorded in this time")
    print()
    rows = [
        {
            "at": event.at,
            "kind": event.kind,
            "model": event.model,
            "what": event.what,
            "happened": "yes" if event.happened else "no",
            "would": event.would,
            "reason": event.reason,
        }
        for event in found.events
        if shows_all or event.differs or event.would == "unknown"
    ]
    shown = ("at", "kind", "model", "what", "happened", "would", "reason")
    print_table(rows, shown, empty="the other policy would have changed nothing")
    print()
    for sentence in found.unknown:
        print(f"unknown: {printable(sentence)}")
