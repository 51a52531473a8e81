"""`bondx alerts`: list alerts, acknowledge and resolve them."""

import argparse
import sys

from console.commands.alert_notifications import add_parsers
from console.commands.opening import (
    Subparsers,
    add_json_argument,
    add_reason_argument,
    command_parser,
    noun_parser,
    open_workspace,
    person,
)
from core.errors import CoreError, ExitCode

DECISIONS = {
    "acknowledge": "acknowledge alerts: you take them",
    "resolve": "resolve alerts by hand; one whose condition still holds fires again only after it ended",
}


def add_parser(commands: Subparsers) -> None:
    """Add the noun and its verbs."""
    verbs = noun_parser(commands, "alerts", help="list, acknowledge and resolve alerts")
    listing = command_parser(verbs, "list", help="open alerts, the worst first: exit code 1 if any is firing")
    listing.add_argument("--all", action="store_true", help="include resolved alerts")
    add_json_argument(listing)
    listing.set_defaults(command=list_alerts)
    add_parsers(verbs)
    for verb, consequence in DECISIONS.items():
        decision = command_parser(verbs, verb, help=consequence)
        decision.add_argument("fingerprints", metavar="ALERT", nargs="+")
        add_reason_argument(decision)
        add_json_argument(decision)
        decision.set_defaults(command=decide, verb=verb)


def list_alerts(args: argparse.Namespace) -> int:
    """Print alerts; the exit code says whether one is firing."""
    import msgspec

    from console.cli.output import print_json, print_table
    from console.presentation.calm import unchecked
    from core.alerts import Alerts, AlertState
    from core.view.source import take_snapshot
    from core.view.suspects import locate

    workspace = open_workspace(args)
    store, snapshot = Alerts(workspace), take_snapshot(workspace)
    alerts = [locate(alert, snapshot) for alert in (store.all() if args.all else store.open())]
    if args.json:
        print_json(alerts)
    else:
        rows = [msgspec.structs.asdict(alert) | {"summary": alert.told} for alert in alerts]
        columns = ("fingerprint", "severity", "state", "rule", "last_at", "summary")
        reason = unchecked(snapshot)
        print_table(rows, columns, empty=f"no open alerts, but {reason}" if reason else "no open alerts")
    return ExitCode.FAILING if any(alert.state is AlertState.FIRING for alert in alerts) else ExitCode.GOOD


def decide(args: argparse.Namespace) -> int:
    """Acknowledge or resolve alerts one by one; one that refuses does not keep the others from it."""
    from console.cli.output import print_json, printable
    from core.alerts import Alert, Alerts

    alerts, actor = Alerts(open_workspace(args)), person()
    carry_out = alerts.acknowledge if args.verb == "acknowledge" else alerts.resolve
    decided: list[Alert] = []
    refusals: list[CoreError] = []
    for fingerprint in args.fingerprints:
        try:
            decided.append(carry_out(fingerprint, actor, reason=args.reason))
        except CoreError as error:
            refusals.append(error)
    if args.json and decided:
        print_json(decided if len(args.fingerprints) > 1 else decided[0])
    elif not args.json:
        for alert in decided:
            print(f"{alert.fingerprint} {alert.state}: {printable(alert.summary)}")
    for refusal in refusals[:-1]:
        print(f"bondx: {printable(refusal)}", file=sys.stderr)
    if refusals:
        raise refusals[-1]
    return ExitCode.GOOD
