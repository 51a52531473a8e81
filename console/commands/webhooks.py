"""`bondx webhooks`: the programs that are told what happens, what they were told, and a test."""

import argparse

from console.commands.opening import (
    Subparsers,
    add_json_argument,
    command_parser,
    noun_parser,
    open_workspace,
    person,
)
from console.commands.typed_numbers import count
from core.errors import ExitCode


def add_parser(commands: Subparsers) -> None:
    """Add the noun and its verbs."""
    verbs = noun_parser(commands, "webhooks", help="programs that are told what happens, as MLflow or OpenLineage does")
    listing = command_parser(verbs, "list", help="webhooks, and what each waits for: exit code 1 if one fails")
    add_json_argument(listing)
    listing.set_defaults(command=list_webhooks)
    told = command_parser(verbs, "deliveries", help="what webhooks were told, or are still to be told, newest first")
    told.add_argument("webhook", metavar="WEBHOOK", nargs="?", help="of this webhook only")
    told.add_argument("--state", choices=("pending", "delivered", "failed"), help="in this state only")
    told.add_argument("-n", type=count, default=50, metavar="N", help="show only the newest N (default 50)")
    add_json_argument(told)
    told.set_defaults(command=list_deliveries)
    test = command_parser(verbs, "test", help="send an example event now, once: exit code 1 if it does not arrive")
    test.add_argument("webhook", metavar="WEBHOOK")
    test.add_argument("--event", metavar="EVENT", help="the event (default: the first that the webhook is told)")
    add_json_argument(test)
    test.set_defaults(command=test_webhook)


def list_webhooks(args: argparse.Namespace) -> int:
    """Print webhooks; the exit code says whether one waits after a failure, or missed an event."""
    import msgspec

    from console.cli.output import print_json, print_table
    from core.webhooks import Webhooks

    webhooks = Webhooks(open_workspace(args)).all()
    if args.json:
        print_json(webhooks)
    else:
        rows = [
            msgspec.structs.asdict(webhook)
            | {
                "waiting": webhook.n_waiting,
                "delivered": webhook.n_delivered,
                "failed": webhook.n_failed,
                "signed": "yes" if webhook.is_signed else "no",
            }
            for webhook in webhooks
        ]
        columns = ("name", "format", "status", "signed", "waiting", "delivered", "failed", "url", "problem")
        print_table(rows, columns, empty="no webhook: add one to `webhooks:` in bondx.yaml")
    return ExitCode.FAILING if any(webhook.problem for webhook in webhooks) else ExitCode.GOOD


def list_deliveries(args: argparse.Namespace) -> int:
    """Print deliveries."""
    import msgspec

    from console.cli.output import print_json, print_table
    from core.webhooks import DeliveryState, Webhooks

    state = None if args.state is None else DeliveryState(args.state)
    deliveries = Webhooks(open_workspace(args)).deliveries(args.webhook, state=state, limit=args.n)
    if args.json:
        print_json(deliveries)
    else:
        rows = [msgspec.structs.asdict(delivery) | {"attempts": delivery.n_attempts} for delivery in deliveries]
        columns = ("created_at", "webhook", "event", "object", "state", "attempts", "problem")
        print_table(rows, columns, empty="no event has been queued yet")
    return ExitCode.GOOD


def test_webhook(args: argparse.Namespace) -> int:
    """Send an example event and print what came of it."""
    from console.cli.output import complain, print_json
    from core.webhooks import Webhooks

    outcome = Webhooks(open_workspace(args)).test(args.webhook, args.event, actor=person())
    if args.json:
        print_json(outcome)
    elif outcome.is_delivered:
        print(f"{outcome.webhook} took {outcome.event}: HTTP {outcome.status}")
    else:
        complain(f"{outcome.webhook} did not take {outcome.event}: {outcome.problem}.")
    return ExitCode.GOOD if outcome.is_delivered else ExitCode.FAILING
