"""`bondx alerts check|rules|eval|test`: rule files, their state, expressions by hand, and replay over the past."""

import argparse
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from console.commands.opening import Subparsers, add_json_argument, command_parser, open_workspace
from core.errors import ExitCode, UsageError
from core.typed_numbers import decimal_number

if TYPE_CHECKING:
    from core.alerts.evaluation.replay import ReplayedAlert, ReplayedVariant, ReplaySpan
    from core.alerts.rule_files import RuleFile
    from core.promql import SeriesSource


def add_parsers(verbs: Subparsers) -> None:
    """Add the verbs below `bondx alerts`."""
    check = command_parser(verbs, "check", help="check rule files: exit code 2, and each fault with its place")
    check.add_argument("files", metavar="FILE", nargs="+", type=Path)
    add_json_argument(check)
    check.set_defaults(command=check_files)
    rules = command_parser(verbs, "rules", help="the rules in force: exit code 1 if one cannot be evaluated")
    add_json_argument(rules)
    rules.set_defaults(command=list_rules)
    evaluate = command_parser(verbs, "eval", help="evaluate an expression over the recorded series")
    evaluate.add_argument("expr", metavar="EXPR")
    evaluate.add_argument("--at", metavar="TIME", help="02:50, or 2026-03-01T02:50 (UTC); by default now")
    add_json_argument(evaluate)
    evaluate.set_defaults(command=evaluate_expression)
    test = command_parser(verbs, "test", help="what the rules of a file would have done over the recorded series")
    test.add_argument("file", metavar="FILE", type=Path, nargs="?")
    test.add_argument("--anomaly", action="store_true", help="instead of a file: the rules of alerts.anomaly")
    test.add_argument("--replay", metavar="TIME", default="24h", help="how far back: 6h, 24h (default), 7d")
    test.add_argument("--to", metavar="TIME", help="the end: 02:50, or 2026-03-01T02:50 (UTC); by default now")
    test.add_argument("--step", metavar="TIME", help="30s, 1m; by default alerts.evaluation_interval_seconds")
    test.add_argument(
        "--vary",
        action="append",
        default=[],
        metavar="NAME=VALUES",
        help="a table over other values: for=1m,5m or threshold=0.1,0.2; may be given twice",
    )
    add_json_argument(test)
    test.set_defaults(command=replay_file)


def check_files(args: argparse.Namespace) -> int:
    """Check rule files; every fault of every file is printed."""
    from console.cli.output import print_json, printable
    from console.cli.parser import shortened
    from core.alerts.rule_files import check_rule_file

    results = []
    for path in args.files:
        file, faults = check_rule_file(path)
        n_rules = 0 if file is None else len(list(file.rules))
        problems, warnings = [str(fault) for fault in faults], [] if file is None else list(file.warnings)
        results.append({"file": str(path), "rules": n_rules, "faults": problems, "warnings": warnings})
        if args.json:
            continue
        for line in [*problems, *warnings]:
            print(f"bondx: {printable(shortened(line))}", file=sys.stderr)
        if not problems:
            print(f"{printable(shortened(str(path)))}: {n_rules} {'rule' if n_rules == 1 else 'rules'}, no faults")
    if args.json:
        print_json(results)
    return ExitCode.USAGE if any(result["faults"] for result in results) else ExitCode.GOOD


def list_rules(args: argparse.Namespace) -> int:
    """Print the rules in force; the exit code says whether one cannot be evaluated."""
    import msgspec

    from console.cli.output import complain, print_json, print_table
    from console.presentation.calm import evaluated_until
    from console.presentation.phrases import counted
    from core.alerts.evaluation.listing import RuleLine, rule_lines
    from core.settings import settings_in_force
    from core.view.source import take_snapshot

    def note(line: RuleLine) -> str:
        quiet = f"{counted(line.n_resolved, 'alert')} resolved by hand: quiet until it has ended"
        by_hand = quiet if line.n_resolved else ""
        return line.error or line.built_in or by_hand or line.note or " ".join(line.expr.split())

    workspace = open_workspace(args)
    lines = rule_lines(workspace, settings_in_force(workspace.root).alerts)
    if args.json:
        print_json(lines)
    else:
        rows = [msgspec.structs.asdict(line) | {"for": line.for_, "note": note(line)} for line in lines]
        columns = ("state", "rule", "severity", "for", "file", "group", "evaluated_at", "note")
        print_table(rows, columns, empty="no rules: alerts.ready_made is off and alerts.rules names no file")
        if told := evaluated_until(take_snapshot(workspace)):
            complain(told)
    return ExitCode.FAILING if any(line.error for line in lines) else ExitCode.GOOD


def evaluate_expression(args: argparse.Namespace) -> int:
    """Print the values of an expression."""
    from console.cli.output import print_json, print_table
    from core.alerts.evaluation.listing import evaluate_by_hand
    from core.alerts.evaluation.source import RecordedSource
    from core.clock import read_instant, utc_now
    from core.metrics.known_names import known_metric_names

    now = utc_now()
    at = read_instant(args.at, now) if args.at else now
    source = RecordedSource(open_workspace(args))
    samples = evaluate_by_hand(source, args.expr, at, known=lambda: known_metric_names(source))
    if args.json:
        print_json(samples)
    else:
        rows = [
            {"value": sample.text, "series": ", ".join(f"{name}={value}" for name, value in sample.labels.items())}
            for sample in samples
        ]
        print_table(rows, ("value", "series"), empty="no series")
    return ExitCode.GOOD


def replay_file(args: argparse.Namespace) -> int:
    """Print what would have fired, when and for how long; with `--vary` a table over other values."""
    from console.cli.output import print_json
    from core.alerts import Alerts
    from core.alerts.anomaly.replaying import scored_past
    from core.alerts.durations import read_duration
    from core.alerts.evaluation.replay import ReplaySpan, replay, vary
    from core.alerts.evaluation.source import RecordedSource
    from core.alerts.rule_files import anomaly_rule_file, load_rule_file
    from core.clock import read_instant, utc_now
    from core.settings import settings_in_force

    workspace, now = open_workspace(args), utc_now()
    if (args.file is None) is not args.anomaly:
        raise UsageError("Name one rule file, or give --anomaly for the rules of alerts.anomaly.")
    settings = settings_in_force(workspace.root).alerts
    if args.anomaly and not settings.anomaly:
        raise UsageError("alerts.anomaly of the settings has no rule, such as {name: ModelUnusual}.")
    file = anomaly_rule_file(settings) if args.anomaly else load_rule_file(args.file)
    end = read_instant(args.to, now) if args.to else now
    length = read_duration(args.replay)
    step = read_duration(args.step) if args.step else timedelta(seconds=settings.evaluation_interval_seconds)
    if step <= timedelta() or length <= timedelta():
        raise UsageError("--replay and --step must be longer than 0.")
    end_ms, length_ms = round(end.timestamp() * 1000), round(length.total_seconds() * 1000)
    span = ReplaySpan(end_ms - length_ms, end_ms, round(step.total_seconds() * 1000))
    source: SeriesSource = RecordedSource(workspace)
    if args.anomaly:
        source = scored_past(settings, source, span.start_ms, span.end_ms)
    if not args.vary:
        alerts = replay(file, source, span)
        if args.json:
            print_json(alerts)
        else:
            _print_replay(file, alerts, span)
        return ExitCode.GOOD
    fors, thresholds = _varied(args.vary)
    variants = vary(file, source, span, Alerts(workspace).all(), fors=fors, thresholds=thresholds)
    if args.json:
        print_json(variants)
    else:
        _print_variants(variants)
    return ExitCode.GOOD


def _varied(texts: list[str]) -> tuple[list[timedelta], list[float]]:
    from core.alerts.durations import read_duration
    from core.escape import shown

    fors: list[timedelta] = []
    thresholds: list[float] = []
    for text in texts:
        name, _, values = text.partition("=")
        if name == "for" and values:
            fors += [read_duration(value) for value in values.split(",")]
        elif name == "threshold" and values:
            try:
                thresholds += [decimal_number(value) for value in values.split(",")]
            except ValueError:
                raise UsageError(f"--vary {shown(text)}: thresholds are numbers, such as threshold=0.1,0.2.") from None
        else:
            raise UsageError(f"--vary {shown(text)} is neither for=1m,5m nor threshold=0.1,0.2.")
    return fors, thresholds


def _print_replay(file: "RuleFile", alerts: "list[ReplayedAlert]", span: "ReplaySpan") -> None:
    from datetime import UTC, datetime

    from console.cli.output import print_table, printable
    from core.clock import in_words

    start, end = (datetime.fromtimestamp(ms / 1000, UTC) for ms in (span.start_ms, span.end_ms))
    print(f"{in_words(start)} to {in_words(end)}: '#' firing, '-' pending")
    for alert in alerts:
        labels = ", ".join(f"{name}={value}" for name, value in alert.labels.items())
        print(f"{alert.line}  {printable(alert.rule)} {printable(labels)}")
    rows = [
        {
            "from": firing.from_,
            "until": firing.until or "still firing",
            "minutes": f"{firing.minutes(end):.1f}",
            "rule": alert.rule,
            "labels": ", ".join(f"{name}={value}" for name, value in alert.labels.items()),
        }
        for alert in alerts
        for firing in alert.firings
    ]
    print_table(rows, ("from", "until", "minutes", "rule", "labels"), empty="nothing would have fired")


def _print_variants(variants: "list[ReplayedVariant]") -> None:
    from console.cli.output import print_table

    rows = [
        {
            "rule": variant.rule,
            "for": variant.for_,
            "threshold": "" if variant.threshold is None else f"{variant.threshold:g}",
            "firings": variant.n_firings,
            "minutes": variant.minutes,
            "missed": "; ".join(variant.missed) or "none",
        }
        for variant in variants
    ]
    print_table(rows, ("rule", "for", "threshold", "firings", "minutes", "missed"), empty="no alerting rules")
