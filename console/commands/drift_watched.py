"""`bondx drift status`, `why` and `history`: what the engine has found of the live versions, minute by minute."""

import argparse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from console.commands.opening import add_json_argument, command_parser, open_workspace
from core.errors import ExitCode

if TYPE_CHECKING:
    from console.commands.opening import Subparsers
    from core.monitoring.documents import EstimatePart, ModelMonitoring, VersionMonitoring
    from core.view.snapshot import Snapshot

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
    history.add_argument("--since", metavar="TIME", help="02:50, or 2026-03-01T02:50 (UTC); default: all")
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
        if said := _as_of(found, snapshot, args):
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
        for line in reasoning_text(found.model, version):
            print(printable(line) if line else "")
        if said := _as_of([found], snapshot, args):
            print(f"\n{said}")
    return _exit_code([version])


def _as_of(documents: "Sequence[ModelMonitoring]", snapshot: "Snapshot", args: argparse.Namespace) -> str:
    from core.monitoring.reasoning import as_of

    return as_of(documents, snapshot.taken_at, snapshot.absence, is_past=args.at is not None)


def watched_history(args: argparse.Namespace) -> int:
    """List the changes of one model, newest first."""
    from console.cli.output import print_json, print_table
    from core.clock import read_instant, utc_now
    from core.monitoring.column_words import instant
    from core.view.monitoring_history import monitoring_history

    since = read_instant(args.since, utc_now()) if args.since else None
    found = monitoring_history(open_workspace(args), args.model, since=since)
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
    print_table(
        rows,
        ("at", "version", "of", "before", "after", "reason"),
        empty=f"Nothing has changed {'since then' if since else 'yet'}.",
    )
    if found.recorded_since is None:
        print("no engine has recorded the past yet: only the changes of health are known")
    else:
        print(f"verdicts and reasons are known since {instant(found.recorded_since)} (telemetry.past_hours)")
    if found.n_unreadable:
        print(f"left out: {found.n_unreadable:,} recorded states of another version of the program")
    return ExitCode.GOOD


def reasoning_text(model: str, version: "VersionMonitoring") -> Iterator[str]:
    """Write out everything that is known of a live version, a line each; an empty line begins a paragraph."""
    from core.monitoring.reasoning import reasoning

    for k, paragraph in enumerate(reasoning(version)):
        if k:
            yield ""
        yield f"{'' if k else f'{model} {version.version} ({version.role}): '}{paragraph.head.text}"
        yield from (f"  {line.text}" for line in paragraph.lines)


def estimate_lines(estimate: "EstimatePart") -> Iterator[str]:
    """Write out an estimate, or why there is none."""
    from core.monitoring.reasoning import estimate_paragraph

    found = estimate_paragraph(estimate)
    yield found.head.text
    yield from (f"  {line.text}" for line in found.lines)


def _row(model: str, version: "VersionMonitoring") -> dict[str, Any]:
    health, drift, performance = version.health, version.drift, version.performance
    reason = next((each.text for each in health.reasons), "") or next(iter(health.missing), "")
    moved = sum(column.verdict == "alarm" for column in drift.columns) if drift is not None else 0
    inputs = "no profile" if version.no_profile else None
    if drift is not None:
        inputs = f"{drift.verdict}{f' ({moved})' if moved else ''}"
    return {
        "model": model,
        "version": version.version,
        "health": health.state,
        "inputs": inputs,
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
