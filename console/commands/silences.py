"""`bondx alerts silence` and `bondx alerts routes`: what is kept back, and who would be told."""

import argparse
from datetime import datetime
from typing import TYPE_CHECKING

from console.commands.opening import (
    Subparsers,
    add_json_argument,
    add_reason_argument,
    command_parser,
    noun_parser,
    open_workspace,
    person,
)
from core.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from core.alerts.routing.config import RoutingConfig
    from core.alerts.selecting import AlertMatcher

_MATCHERS_HELP = "model=spread, or 'severity=~\"warning|critical\"'; several must all match"


def add_parsers(verbs: Subparsers) -> None:
    """Add the verbs below `bondx alerts`."""
    silences = noun_parser(verbs, "silence", help="keep alerts from being told for a time", alone=list_silences)
    add = command_parser(silences, "add", help="make a silence; prints its id")
    add.add_argument("matchers", metavar="MATCHER", nargs="+", help=_MATCHERS_HELP)
    add.add_argument("--comment", "-c", required=True, help="why: others will read it")
    add.add_argument("--everything", action="store_true", help="it may hide every alert, such as for a maintenance")
    _add_end(add)
    add_json_argument(add)
    add.set_defaults(command=add_silence)
    listing = command_parser(silences, "list", help="the silences, the next to end first, with what each hides now")
    listing.add_argument("--expired", action="store_true", help="include those that ended in the last days")
    add_json_argument(listing)
    listing.set_defaults(command=list_silences)
    expire = command_parser(silences, "expire", help="end silences now")
    expire.add_argument("ids", metavar="SILENCE", nargs="+")
    add_reason_argument(expire)
    add_json_argument(expire)
    expire.set_defaults(command=expire_silences)
    preview = command_parser(silences, "preview", help="the open alerts that matchers would hide; nothing is changed")
    preview.add_argument("matchers", metavar="MATCHER", nargs="+", help=_MATCHERS_HELP)
    add_json_argument(preview)
    preview.set_defaults(command=preview_silence)
    routes = command_parser(verbs, "routes", help="check the routing file, and say who would be told of which labels")
    routes.add_argument("labels", metavar="LABEL=VALUE", nargs="*", help="of an alert; without: every route")
    routes.add_argument("--file", metavar="FILE", help="another routing file than the workspace's")
    routes.add_argument("--tree", action="store_true", help="as the tree that they are; with labels: the way to them")
    routes.add_argument(
        "--effective",
        action="store_true",
        help="print the configuration in force, defaults filled in and secrets masked",
    )
    add_json_argument(routes)
    routes.set_defaults(command=show_routes)
    on_call = command_parser(verbs, "oncall", help="who is on call now, until when, and who is next")
    on_call.add_argument("--at", metavar="TIME", help="at another time: 06:00 (the next), or 2026-03-01T06:00 (UTC)")
    add_json_argument(on_call)
    on_call.set_defaults(command=show_on_call)


def _add_end(parser: argparse.ArgumentParser) -> None:
    end = parser.add_mutually_exclusive_group(required=True)
    end.add_argument("--for", "--duration", "-d", dest="length", metavar="TIME", help="30m, 2h, 1d")
    end.add_argument("--until", "--end", dest="until", metavar="TIME", help="06:00, or 2026-03-01T06:00 (UTC)")


def add_silence(args: argparse.Namespace) -> int:
    """Make a silence."""
    from console.cli.output import print_json, printable
    from core.alerts import Alerts
    from core.alerts.silences import Silences

    matchers, ends_at = _matchers(args), _end(args)
    workspace = open_workspace(args)
    silences = Silences(workspace)
    silence = silences.add(matchers, person(), comment=args.comment, ends_at=ends_at, everything=args.everything)
    if args.json:
        print_json(silence)
    else:
        n_hidden = len(silences.hidden(matchers, Alerts(workspace).open()))
        print(
            f"{silence.silence_id} hides {printable(silence.matcher_text)} until {silence.ends_at:%Y-%m-%d %H:%M} UTC: "
            f"{n_hidden} open now"
        )
    return ExitCode.GOOD


def list_silences(args: argparse.Namespace) -> int:
    """Print the silences."""
    from console.cli.output import print_json, print_table
    from core.alerts.silences.inventory import inventory

    found = inventory(open_workspace(args), expired=getattr(args, "expired", False))
    if args.json:
        print_json(found)
    else:
        columns = ("silence_id", "state", "ends_at", "n_hidden", "matchers", "created_by", "comment")
        rows = [{name: getattr(each, name) for name in columns} for each in found]
        print_table(rows, columns, empty="no silences")
    return ExitCode.GOOD


def expire_silences(args: argparse.Namespace) -> int:
    """End silences."""
    from console.cli.output import print_json
    from core.alerts.silences import Silences

    silences, actor = Silences(open_workspace(args)), person()
    ended = silences.expire_all(args.ids, actor, reason=args.reason)
    if args.json:
        print_json(ended if len(ended) > 1 else ended[0])
    else:
        for silence in ended:
            print(f"{silence.silence_id} ended")
    return ExitCode.GOOD


def preview_silence(args: argparse.Namespace) -> int:
    """Print what matchers would hide."""
    from console.cli.output import print_json, print_table
    from core.alerts import Alerts
    from core.alerts.silences import Silences

    matchers = _matchers(args)
    workspace = open_workspace(args)
    hidden = Silences(workspace).hidden(matchers, Alerts(workspace).open())
    if args.json:
        print_json(hidden)
    else:
        columns = ("fingerprint", "severity", "rule", "summary")
        rows = [{name: getattr(each, name) for name in columns} | {"rule": each.name} for each in hidden]
        print_table(rows, columns, empty="no open alert would be hidden")
    return ExitCode.GOOD


def show_routes(args: argparse.Namespace) -> int:
    """Print who would be told."""
    from pathlib import Path

    from console.cli.output import complain
    from core.alerts.delivery.checking import check_names, check_receivers
    from core.alerts.routing.in_force import NO_ROUTING, routing_standing
    from core.alerts.routing.reading import RoutingFaultsError, load_routing
    from core.settings import AlertSettings, settings_in_force
    from core.state import Workspace

    labels = _labels(args.labels)
    if args.effective and (args.tree or labels is not None):
        raise UsageError("--effective prints the whole file: leave --tree and labels out.")
    if args.file is not None:
        workspace, settings = Workspace(Path(args.file).parent), AlertSettings()
        try:
            config = load_routing(Path(args.file))
        except RoutingFaultsError as error:
            complain("\n".join(str(fault) for fault in error.faults))
            return ExitCode.USAGE
        for note in check_receivers(workspace, settings, config, is_in_force=False):
            complain(note)
        _print_routes(args, config, labels)
        return ExitCode.GOOD
    workspace = open_workspace(args)
    standing = routing_standing(workspace)
    if standing.error is not None:
        faults = standing.error.faults if isinstance(standing.error, RoutingFaultsError) else ()
        complain("\n".join([*map(str, faults), standing.problem]))
        if standing.config is not None:
            _print_routes(args, standing.config, labels)
        return ExitCode.USAGE
    if standing.config is None:
        raise UsageError(NO_ROUTING)
    settings = settings_in_force(workspace.root).alerts
    for note in check_receivers(workspace, settings, standing.config):
        complain(note)
    check_names(workspace, settings, standing.config)
    _print_routes(args, standing.config, labels)
    return ExitCode.GOOD


def _print_routes(args: argparse.Namespace, config: "RoutingConfig", labels: dict[str, str] | None) -> None:
    """Print a routing as the flags ask for it."""
    from console.cli.output import print_json, print_table, printable
    from core.alerts.routing.effective import effective_document, effective_text
    from core.alerts.routing.shown import route_tree, routes_shown, tree_lines

    if args.effective:
        if args.json:
            print_json(effective_document(config))
        else:
            for line in effective_text(config).splitlines():
                print(printable(line))
    elif args.tree:
        tree = route_tree(config, labels)
        if args.json:
            print_json(tree)
        else:
            for line in tree_lines(tree):
                print(printable(line))
    elif args.json:
        print_json(routes_shown(config, labels))
    else:
        columns = ("receiver", "route", "group_by", "group_wait", "group_interval", "repeat_interval", "is_quiet")
        rows = [{name: getattr(each, name) for name in columns} for each in routes_shown(config, labels)]
        print_table(rows, columns, empty="no route")


def _labels(given: list[str]) -> dict[str, str] | None:
    if not given:
        return None
    for text in given:
        if "=" not in text:
            raise UsageError(f"{text!r} is no label; write one as severity=critical.")
    return dict(text.split("=", 1) for text in given)


def _matchers(args: argparse.Namespace) -> "list[AlertMatcher]":
    from core.alerts.selecting import read_matchers

    # amtool takes a first word without an operator as the name of the alert
    first, *others = args.matchers
    given = [f'alertname="{first}"' if not any(sign in first for sign in "=~!{,") else first, *others]
    return [matcher for text in given for matcher in read_matchers(text)]


def _end(args: argparse.Namespace) -> datetime:
    from core.clock import read_coming_instant, read_duration, utc_now

    now = utc_now()
    return now + read_duration(args.length) if args.length else read_coming_instant(args.until, now)


def show_on_call(args: argparse.Namespace) -> int:
    """Print who is on call."""
    import msgspec

    from console.cli.output import print_json, print_table
    from core.alerts.escalation.listing import duties
    from core.clock import read_coming_instant, read_instant, utc_now
    from core.settings import settings_in_force

    at = utc_now()
    if args.at is not None:
        has_date = "T" in args.at or " " in args.at.strip()
        at = read_instant(args.at, at) if has_date else read_coming_instant(args.at, at)
    found = duties(settings_in_force(open_workspace(args).root).alerts.oncall, at)
    if args.json:
        print_json(found)
    else:
        columns = ("rotation", "receiver", "until", "next_receiver", "next_at", "time_zone")
        print_table([msgspec.structs.asdict(each) for each in found], columns, empty="no rotations in alerts.oncall")
    return ExitCode.GOOD
