"""`bondx alerts`: list and show alerts, acknowledge, snooze, comment and resolve them."""

import argparse
from collections.abc import Callable
from datetime import datetime
from functools import partial

from console.commands import alert_rules, silences
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
from core.errors import ExitCode

ALERT_HELP = "its fingerprint, or a name that no other alert has: cpu_high, 'gate_failed{gate=coverage}'"
DECISIONS = {
    "acknowledge": "acknowledge alerts: you take them",
    "resolve": "resolve alerts by hand; a condition that holds fires again only after it ended, an event the next time",
}


def add_parser(commands: Subparsers) -> None:
    """Add the noun and its verbs."""
    verbs = noun_parser(commands, "alerts", help="list, acknowledge and resolve alerts")
    listing = command_parser(verbs, "list", help="open alerts, the worst first: exit code 1 if any is firing")
    listing.add_argument("--all", action="store_true", help="include resolved alerts")
    listing.add_argument(
        "--matcher",
        action="append",
        default=[],
        metavar="MATCHER",
        help="only alerts whose labels match: severity=critical, or 'model=~\"spread.*\"'; several must all match",
    )
    listing.add_argument("--sort", default="worst", metavar="ORDER", help="worst (default), newest, oldest, rule, ...")
    listing.add_argument("--group-by", default="", metavar="LABEL", help="rule, severity, or a label such as model")
    add_json_argument(listing)
    listing.set_defaults(command=list_alerts)
    add_parsers(verbs)
    silences.add_parsers(verbs)
    alert_rules.add_parsers(verbs)
    for verb, consequence in DECISIONS.items():
        decision = command_parser(verbs, verb, help=consequence)
        decision.add_argument("alerts", metavar="ALERT", nargs="+", help=ALERT_HELP)
        add_reason_argument(decision)
        add_json_argument(decision)
        decision.set_defaults(command=decide, verb=verb)
    shown = command_parser(verbs, "show", help="one alert with its history: who did what, and when")
    shown.add_argument("alert", metavar="ALERT", help=ALERT_HELP)
    add_json_argument(shown)
    shown.set_defaults(command=show_alert)
    snooze = command_parser(verbs, "snooze", help="keep the notifications of alerts back for a time")
    snooze.add_argument("alerts", metavar="ALERT", nargs="+", help=ALERT_HELP)
    end = snooze.add_mutually_exclusive_group(required=True)
    end.add_argument("--for", dest="length", metavar="TIME", help="30m, 2h, 1d")
    end.add_argument("--until", metavar="TIME", help="06:00, or 2026-03-01T06:00 (UTC)")
    add_reason_argument(snooze)
    add_json_argument(snooze)
    snooze.set_defaults(command=decide, verb="snooze")
    comment = command_parser(verbs, "comment", help="write a comment to an alert")
    comment.add_argument("alert", metavar="ALERT", help=ALERT_HELP)
    comment.add_argument("text", metavar="TEXT")
    add_json_argument(comment)
    comment.set_defaults(command=comment_on)


def list_alerts(args: argparse.Namespace) -> int:
    """Print alerts; the exit code says whether one is firing."""
    import msgspec

    from console.cli.output import complain, print_json, print_table
    from console.presentation.alerts import state_words
    from console.presentation.calm import evaluated_until, unchecked
    from core.alerts import Alerts, AlertState
    from core.alerts.selecting import grouped, label_of, matching, read_matchers, sorted_alerts
    from core.clock import utc_now
    from core.view.source import take_snapshot
    from core.view.suspects import locate

    matchers = [matcher for text in args.matcher for matcher in read_matchers(text)]
    workspace = open_workspace(args)
    store, snapshot = Alerts(workspace), take_snapshot(workspace)
    found = sorted_alerts(matching(store.all() if args.all else store.open(), matchers), args.sort)
    groups = grouped(found, args.group_by) if args.group_by else {"": found}
    alerts = [locate(alert, snapshot) for group in groups.values() for alert in group]
    if args.json:
        print_json(alerts)
    else:
        now = utc_now()
        rows = [
            msgspec.structs.asdict(alert)
            | {
                "rule": alert.name,
                "summary": alert.told,
                "state": state_words(alert, now, snapshot.silences, snapshot.inhibited),
                "group": label_of(alert, args.group_by),
            }
            for alert in alerts
        ]
        columns = ["fingerprint", "severity", "state", "rule", "last_at", "summary"]
        columns = ["group", *columns] if args.group_by else columns
        reason = unchecked(snapshot)
        none = "no alert matches" if matchers and (store.all() if args.all else store.open()) else "no open alerts"
        print_table(rows, columns, empty=f"{none}, but {reason}" if reason else none)
        if rows and (told := evaluated_until(snapshot)):
            complain(told)
    if snapshot.unwritable:  # as `bondx status`: an empty list says nothing then
        complain(snapshot.unwritable)
        return ExitCode.FAILING
    return ExitCode.FAILING if any(alert.state is AlertState.FIRING for alert in alerts) else ExitCode.GOOD


def decide(args: argparse.Namespace) -> int:
    """Acknowledge, snooze or resolve alerts: all of them, or none if one refuses."""
    from console.cli.output import print_json, printable
    from core.alerts import Alert, Alerts

    alerts, actor = Alerts(open_workspace(args)), person()
    carry_out: Callable[..., list[Alert]] = alerts.acknowledge_all if args.verb == "acknowledge" else alerts.resolve_all
    if args.verb == "snooze":
        carry_out = partial(alerts.snooze_all, until=_end_of_snooze(args))
    named = [alerts.fingerprint_named(word) for word in args.alerts]
    decided = carry_out(named, actor, reason=args.reason)
    if args.json:
        print_json(decided if len(args.alerts) > 1 else decided[0])
    else:
        for alert in decided:
            print(f"{alert.fingerprint} {alert.state}: {printable(alert.summary)}")
    return ExitCode.GOOD


def _end_of_snooze(args: argparse.Namespace) -> datetime:
    from core.clock import read_coming_instant, read_duration, utc_now

    now = utc_now()
    return now + read_duration(args.length) if args.length else read_coming_instant(args.until, now)


def comment_on(args: argparse.Namespace) -> int:
    """Write a comment to an alert."""
    from console.cli.output import print_json, printable
    from core.alerts import Alerts

    alerts = Alerts(open_workspace(args))
    alert = alerts.comment(alerts.fingerprint_named(args.alert), person(), args.text)
    if args.json:
        print_json(alert)
    else:
        print(f"{alert.fingerprint} commented: {printable(alert.comments[-1].text)}")
    return ExitCode.GOOD


def show_alert(args: argparse.Namespace) -> int:
    """Print an alert and its history, oldest first."""
    import msgspec

    from console.cli.output import print_facts, print_json, print_table
    from console.presentation.alerts import known_facts, silence_facts
    from core.alerts import Alerts
    from core.alerts.history import history_of
    from core.clock import utc_now
    from core.view.source import take_snapshot
    from core.view.suspects import locate

    workspace = open_workspace(args)
    snapshot = take_snapshot(workspace)
    alerts = Alerts(workspace)
    alert = locate(alerts.get(alerts.fingerprint_named(args.alert)), snapshot)
    history = history_of(workspace, alert)
    if args.json:
        print_json({"alert": alert, "history": history})
        return ExitCode.GOOD
    now = utc_now()
    facts = [*known_facts(alert, snapshot, now), *silence_facts(alert, snapshot, now)]
    print_facts({"what": alert.told} | dict(facts))
    print()
    columns = ("at", "kind", "by", "text")
    print_table([msgspec.structs.asdict(entry) for entry in history], columns, empty="no history")
    return ExitCode.GOOD
