"""`bondx alerts notifications` and `bondx alerts receivers`: who was told what, and whether the channels work."""

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

_COLUMNS = ("at", "receiver", "channel", "reason", "status", "result", "detail", "headline")


def add_parsers(verbs: Subparsers) -> None:
    """Add the verbs below `bondx alerts`."""
    log = command_parser(verbs, "notifications", help="the log of notifications: every attempt, to whom, when, result")
    log.add_argument("--alert", metavar="ALERT", help="show only the notifications about this alert")
    add_json_argument(log)
    log.set_defaults(command=list_notifications)
    nouns = noun_parser(
        verbs, "receivers", help="list the receivers of notifications, or test one", alone=list_receivers
    )
    listing = command_parser(nouns, "list", help="every channel of every receiver: exit code 1 if one is dead")
    add_json_argument(listing)
    listing.set_defaults(command=list_receivers)
    test = command_parser(nouns, "test", help="send a test message now: exit code 1 if a channel failed")
    test.add_argument("name", metavar="RECEIVER")
    add_json_argument(test)
    test.set_defaults(command=try_receiver)


def list_notifications(args: argparse.Namespace) -> int:
    """Print the log of notifications."""
    from console.cli.output import print_json, print_table
    from core.alerts import Alerts
    from core.alerts.delivery.log import notifications_of

    workspace = open_workspace(args)
    alerts = Alerts(workspace)
    fingerprint = alerts.fingerprint_named(args.alert) if args.alert else None
    lines = notifications_of(workspace, fingerprint)
    if fingerprint and not lines:
        alerts.get(fingerprint)  # an alert that is long over may still have notifications
    if args.json:
        print_json(lines)
    else:
        print_table(
            [{name: getattr(line, name) for name in _COLUMNS} for line in lines], _COLUMNS, empty="no notifications"
        )
    return ExitCode.GOOD


def list_receivers(args: argparse.Namespace) -> int:
    """Print the channels of every receiver."""
    import msgspec

    from console.cli.output import complain, print_json, print_table
    from core.alerts.delivery.log import receiver_channels
    from core.alerts.delivery.outbox import Outbox
    from core.alerts.delivery.receivers import Receivers
    from core.alerts.routing.in_force import routing_standing
    from core.settings import settings_in_force

    workspace = open_workspace(args)
    settings, standing = settings_in_force(workspace.root).alerts, routing_standing(workspace)
    if standing.problem:
        complain(standing.problem)
    receivers = Receivers(workspace, settings, standing.config)
    found = receiver_channels(Outbox(workspace), receivers, standing.problem)
    if args.json:
        print_json(found)
    else:
        columns = ("receiver", "channel", "state", "last_delivered_at", "n_delivered", "n_failed", "last_error")
        print_table([msgspec.structs.asdict(each) for each in found], columns, empty="no receivers")
    return ExitCode.FAILING if any(each.state == "dead" for each in found) else ExitCode.GOOD


def try_receiver(args: argparse.Namespace) -> int:
    """Send a test message to every channel of a receiver, and say what happened."""
    from console.cli.output import complain, print_json, printable
    from core.alerts.delivery.outbox import Outbox
    from core.alerts.delivery.receivers import Receivers
    from core.alerts.delivery.records import NotificationState
    from core.alerts.delivery.trial import send_tests
    from core.alerts.routing.in_force import routing_standing
    from core.clock import utc_now
    from core.settings import settings_in_force

    workspace = open_workspace(args)
    settings, standing = settings_in_force(workspace.root).alerts, routing_standing(workspace)
    receivers = Receivers(workspace, settings, standing.config)
    if standing.problem:
        complain(standing.problem)
    sent = []
    for delivery in send_tests(
        Outbox(workspace),
        receivers,
        args.name,
        actor=person(),
        clock=utc_now,
        timeout_seconds=settings.delivery.timeout_seconds,
        workspace=workspace,
    ):
        sent.append(delivery)
        if not args.json:
            print(
                f"{printable(delivery.channel)}: {printable(delivery.state)}: {printable(delivery.attempts[0].detail)}"
            )
    if args.json:
        print_json(sent)
    elif not sent:
        print(f"{printable(args.name)} has no channel.")
    failed = not sent or any(delivery.state is not NotificationState.DELIVERED for delivery in sent)
    return ExitCode.FAILING if failed else ExitCode.GOOD
