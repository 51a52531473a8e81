"""`bondx alerts`: list alerts and acknowledge them."""

import argparse

from console.commands.opening import (
    Subparsers,
    add_json_argument,
    command_parser,
    noun_parser,
    open_workspace,
    person,
)
from core.errors import ExitCode


def add_parser(commands: Subparsers) -> None:
    """Add the noun and its verbs."""
    verbs = noun_parser(commands, "alerts", help="list and acknowledge alerts")
    listing = command_parser(verbs, "list", help="open alerts, the worst first: exit code 1 if any is firing")
    listing.add_argument("--all", action="store_true", help="include resolved alerts")
    add_json_argument(listing)
    listing.set_defaults(command=list_alerts)
    acknowledge = command_parser(verbs, "acknowledge", help="acknowledge an alert")
    acknowledge.add_argument("fingerprint", metavar="FINGERPRINT")
    add_json_argument(acknowledge)
    acknowledge.set_defaults(command=acknowledge_alert)


def list_alerts(args: argparse.Namespace) -> int:
    """Print alerts; the exit code says whether one is firing."""
    import msgspec

    from console.cli.output import print_json, print_table
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
        print_table(rows, columns, empty="no open alerts")
    return ExitCode.FAILING if any(alert.state is AlertState.FIRING for alert in alerts) else ExitCode.GOOD


def acknowledge_alert(args: argparse.Namespace) -> int:
    """Acknowledge one alert."""
    from console.cli.output import print_json
    from core.alerts import Alerts

    alert = Alerts(open_workspace(args)).acknowledge(args.fingerprint, person())
    if args.json:
        print_json(alert)
    else:
        print(f"{alert.fingerprint} {alert.state}: {alert.summary}")
    return ExitCode.GOOD
