"""`bondx drift status`, `why` and `history`: what the engine has found of the live versions, minute by minute."""

import argparse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from console.commands.opening import add_json_argument, command_parser, open_workspace
from core.errors import ExitCode

if TYPE_CHECKING:
    from console.commands.opening import Subparsers
    from core.monitoring.documents import EstimatePart, ModelMonitoring, MonitoredMetric, VersionMonitoring
    from core.view.snapshot import Snapshot

FRESH_SECONDS = 60
"""Figures older than this say of when they are: the engine writes figures without a new verdict every five minutes."""
_COLUMNS = ("model", "version", "health", "inputs", "performance", "reason")


def add_watched(verbs: "Subparsers") -> None:
    """Add the verbs to the noun."""
    status = command_parser(
        verbs,
        "status",
        help="the live versions, the worst health first: exit code 1 if one is failing, or its data have drifted",
    )
    status.add_argument("model", metavar="MODEL", nargs="?", help="only this model, with its candidate")
    why = command_parser(verbs, "why", help="the whole reasoning about a live version")
    why.add_argument("model", metavar="MODEL")
    why.add_argument("--version", metavar="V", help="a candidate (default: the stable version)")
    history = command_parser(verbs, "history", help="how the health of a model and the verdicts on it changed")
    history.add_argument("model", metavar="MODEL")
    add_json_argument(history)
    history.set_defaults(command=watched_history)
    for parser, command in ((status, watched_status), (why, watched_why)):
        parser.add_argument("--at", metavar="TIME", help="as it was at a past time, such as 02:50 (UTC)")
        add_json_argument(parser)
        parser.set_defaults(command=command)


def watched_status(args: argparse.Namespace) -> int:
    """List the live versions by health."""
    from console.cli.output import print_json, print_table
    from core.monitoring.sentences import budget_sentence, worst_first

    snapshot = _snapshot(args)
    found = worst_first(_documents(args, snapshot))
    versions = [(each.model, version) for each in found for version in (each.versions if args.model else (each.live,))]
    if args.json:
        print_json(found)
    else:
        print_table([_row(*each) for each in versions], _COLUMNS, empty="No live version has been looked at yet.")
        if said := as_of(found, snapshot, is_past=args.at is not None):
            print(said)
        if (budget := snapshot.drift_budget) is not None:
            print(budget_sentence(budget))
    return _exit_code([version for _, version in versions])


def watched_why(args: argparse.Namespace) -> int:
    """Print the whole reasoning about one version."""
    from console.cli.output import print_json, printable

    snapshot = _snapshot(args)
    (found,) = _documents(args, snapshot)
    version = _version(found, args.version)
    if args.json:
        print_json(version)
    else:
        for line in reasoning(found.model, version):
            print(printable(line) if line else "")
        if said := as_of([found], snapshot, is_past=args.at is not None):
            print(f"\n{said}")
    return _exit_code([version])


def as_of(documents: "Sequence[ModelMonitoring]", snapshot: "Snapshot", *, is_past: bool = False) -> str:
    """Say of when the verdicts and figures are, and why nobody watches now; empty if they are of the last minute.

    Args:
        documents: What is shown.
        snapshot: Where it is from.
        is_past: Whether the snapshot is of the past: then it is not said who watches now.
    """
    from core.monitoring.column_words import instant

    oldest = min((each.updated_at for each in documents), default=None)
    absence = None if is_past else snapshot.absence
    if oldest is None or (absence is None and (snapshot.taken_at - oldest).total_seconds() <= FRESH_SECONDS):
        return ""
    return f"as of {instant(oldest)}{f'; not watched now: {absence}' if absence else ''}"


def watched_history(args: argparse.Namespace) -> int:
    """List the changes of one model, newest first."""
    from console.cli.output import print_json, print_table
    from core.monitoring.column_words import instant
    from core.view.monitoring_history import monitoring_history

    found = monitoring_history(open_workspace(args), args.model)
    if args.json:
        print_json(found)
        return ExitCode.GOOD
    rows = [
        {
            "at": instant(each.at),
            "version": each.version,
            "of": each.what,
            "before": each.before or None,
            "after": each.state or ("not live" if each.what == "live" else None),
            "reason": each.reason or None,
        }
        for each in found.changes
    ]
    print_table(rows, ("at", "version", "of", "before", "after", "reason"), empty="Nothing has changed yet.")
    if found.recorded_since is None:
        print("no engine has recorded the past yet: only the changes of health are known")
    else:
        print(f"verdicts and reasons are known since {instant(found.recorded_since)} (telemetry.past_hours)")
    if found.n_unreadable:
        print(f"left out: {found.n_unreadable:,} recorded states of another version of the program")
    return ExitCode.GOOD


def reasoning(model: str, version: "VersionMonitoring") -> Iterator[str]:
    """Write out everything that is known of a live version, a line each; an empty line begins a paragraph."""
    from core.monitoring.column_words import instant

    health = version.health
    since = f" since {instant(health.since)}" if health.since else ""
    yield f"{model} {version.version} ({version.role}): {health.state}{since}"
    yield from (f"  {reason.state}, {reason.source} ({reason.weight:g}): {reason.text}" for reason in health.reasons)
    yield from (f"  not known: {missing}" for missing in health.missing)
    changes = ", ".join(f"{change.state} {instant(change.at)}" for change in health.changes[:-1])
    if changes:
        yield f"  before: {changes}"
    yield from _drift_lines(version)
    yield from _performance_lines(version)
    if (traffic := version.traffic) is not None:
        yield ""
        usual = "" if traffic.usual_p95_ms is None else f" (usually {traffic.usual_p95_ms:.3g} ms)"
        p95 = "" if traffic.p95_ms is None else f", p95 {traffic.p95_ms:.3g} ms{usual}"
        yield (
            f"traffic: {traffic.n_requests:,} requests in {traffic.minutes} minutes, {traffic.n_failed:,} failed{p95}"
        )


def _drift_lines(version: "VersionMonitoring") -> Iterator[str]:
    from core.monitoring.column_words import MOVED, column_facts, instant, moved_columns, named
    from core.monitoring.sentences import false_alarm_sentence

    drift = version.drift
    if drift is None:
        return
    since = f" since {instant(drift.since)}" if drift.since else ""
    yield ""
    yield f"drift: {drift.verdict}, {drift.n_rows:,} rows{since}"
    if drift.false_alarm_days is not None:
        yield f"  {false_alarm_sentence(drift.false_alarm_days)}"
    for column in moved_columns(drift, *MOVED):
        yield f"  {column.verdict}, {named(column)}: {'; '.join([column.reason, *column_facts(column)])}"
    for verdict in ("inconclusive", "stable"):
        judged = [column for column in drift.columns if column.verdict == verdict and not column.awaits_rows]
        if names := [named(column) for column in judged]:
            yield f"  {verdict}: {', '.join(names)}"
    if names := [named(column) for column in drift.columns if column.awaits_rows]:
        yield f"  nothing to judge yet: {', '.join(names)}"
    yield from (f"  {note}" for note in (drift.prediction_move, *drift.notes) if note)


def _performance_lines(version: "VersionMonitoring") -> Iterator[str]:
    if (known := version.performance) is not None:
        yield ""
        waiting = "" if known.awaited_share is None else f", {known.awaited_share:.0%} of the answers wait for theirs"
        yield f"performance: {known.verdict}, {known.n_outcomes:,} outcomes{waiting}"
        yield from (f"  {note}" for note in (known.reason, *_metrics(known.metrics), *known.notes) if note)
        if known.worst_slice is not None:
            yield f"  worst slice, {known.worst_slice.slice}: {next(_metrics([known.worst_slice]))}"
    if (estimate := version.estimate) is not None:
        yield ""
        yield from estimate_lines(estimate)
    if (labels := version.labels) is not None:
        yield ""
        yield f"wanted outcomes: {labels.verdict}, {labels.n_outcomes:,} outcomes for {labels.n_wanted:,} wanted rows"
        yield from (f"  {note}" for note in (labels.reason, labels.by_when, *labels.notes) if note)


def estimate_lines(estimate: "EstimatePart") -> Iterator[str]:
    """Write out an estimate, or why there is none."""
    if not estimate.metrics:
        yield f"estimate without outcomes: {estimate.reason}"
        return
    yield f"estimate without outcomes: {estimate.verdict}, {estimate.n_rows:,} rows, {estimate.method}"
    yield from (f"  {note}" for note in (estimate.reason, *_metrics(estimate.metrics), *estimate.notes) if note)
    yield from (f"  earlier estimate, now known: {each}" for each in _metrics(estimate.scored))
    if estimate.blind_to:
        yield f"  it cannot see: {estimate.blind_to}"


def _metrics(metrics: "Sequence[MonitoredMetric]") -> Iterator[str]:
    from core.monitoring.health.answers import compared, metric_text

    for metric in metrics:
        where = f" where {metric.slice}" if metric.slice else ""
        window = f" in the last {metric.window}" if metric.window else ""
        yield f"{metric_text(metric)}{where}{window}: {compared(metric)}"


def _row(model: str, version: "VersionMonitoring") -> dict[str, Any]:
    health, drift, performance = version.health, version.drift, version.performance
    reason = next((each.text for each in health.reasons), "") or next(iter(health.missing), "")
    moved = sum(column.verdict == "alarm" for column in drift.columns) if drift is not None else 0
    return {
        "model": model,
        "version": version.version,
        "health": health.state,
        "inputs": None if drift is None else f"{drift.verdict}{f' ({moved})' if moved else ''}",
        "performance": None if performance is None else performance.verdict,
        "reason": reason or None,
    }


def _documents(args: argparse.Namespace, snapshot: "Snapshot") -> "list[ModelMonitoring]":
    """Return the documents of all models, or that of the named one.

    Raises:
        NotFoundError: The named model has no live version, or none that was looked at.
    """
    from core.monitoring.monitoring_store import MonitoringStore, not_watched

    if "monitoring" in snapshot.unreadable:
        MonitoringStore(open_workspace(args)).all()  # says what is wrong with it, and how it is restored
    documents = list(snapshot.monitoring)
    if args.model is None:
        return documents
    if found := [each for each in documents if each.model == args.model]:
        return found
    raise not_watched(args.model, (each.model for each in documents))


def _snapshot(args: argparse.Namespace) -> "Snapshot":
    from console.commands.opening import past_instant

    workspace = open_workspace(args)
    if args.at is not None:
        from core.view.past.replay import RecordedPast

        return RecordedPast(workspace).at(past_instant(args.at))
    from core.view.source import take_snapshot

    return take_snapshot(workspace)


def _version(found: "ModelMonitoring", number: str | None) -> "VersionMonitoring":
    """Return the stable version, or the named one.

    Raises:
        NotFoundError: The named version is not live.
    """
    from core.errors import NotFoundError

    if number is None:
        return found.live
    for version in found.versions:
        if version.version == number:
            return version
    live = ", ".join(version.version for version in found.versions)
    raise NotFoundError(f"{found.model} {number} is not live. Live versions: {live}.")


def _exit_code(versions: "Sequence[VersionMonitoring]") -> int:
    is_wrong = any(
        version.health.state == "failing" or (version.drift is not None and version.drift.verdict == "alarm")
        for version in versions
    )
    return ExitCode.FAILING if is_wrong else ExitCode.GOOD
