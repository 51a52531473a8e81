"""`bondx status`: what is live, running and wrong. For scripts, screen readers and a glance."""

import argparse
import os
import time
from typing import TYPE_CHECKING, Any

from console.cli.streams import answers
from console.commands.opening import Subparsers, add_json_argument, command_parser, open_workspace
from core.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from core.state import Workspace
    from core.view.snapshot import Snapshot
    from core.view.source import SnapshotSource

WATCH_SECONDS = 1.0
N_ALERTS = 10
"""The alerts that the text lists without `--all`: with 2,000, the rest of the status would be off the screen."""
OLD_SECONDS = 15.0
"""An engine stores a sample a second: with none for as long, the figures are old."""
_WORST_FIRST = ("failing", "degraded", "unknown", "healthy")
GAUGES = ("cpu_percent", "memory_percent", "disk_percent")


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = command_parser(
        commands,
        "status",
        help="what is live, running and wrong: exit code 1 if an alert fires, a model or a gate fails or a rollout is "
        "not judged",
    )
    parser.add_argument("--plain", action="store_true", help="one fact per line, not aligned, for screen readers")
    parser.add_argument("--watch", action="store_true", help="print again when something changes, until interrupted")
    parser.add_argument("--all", action="store_true", help=f"list every open alert, and not only the worst {N_ALERTS}")
    parser.add_argument(
        "--at", metavar="TIME", help="show the workspace at a past time, such as 02:50 or 2026-03-01T02:50 (UTC)"
    )
    add_json_argument(parser)
    parser.set_defaults(command=status)


def status(args: argparse.Namespace) -> int:
    """Print the state of the workspace."""
    from core.view.source import SnapshotSource

    if args.at is not None:
        return _status_at(args)
    # The samples that matter are the newest ones; a console keeps the longer history.
    workspace = open_workspace(args)
    source = SnapshotSource(workspace, history_seconds=60, looks_at_epochs=False)
    facts = _facts_now(source, workspace)
    _print(facts, args)
    if args.watch:
        from core.allocator import return_large_blocks

        return_large_blocks()
    while args.watch:
        answers().flush()
        time.sleep(WATCH_SECONDS)
        if (now := _facts_now(source, workspace)) != facts:
            facts = now
            _print(facts, args)
    return exit_code(facts)


def _facts_now(source: "SnapshotSource", workspace: "Workspace") -> dict[str, Any]:
    from core.clock import utc_now

    facts = facts_of(source.take(), now=utc_now())
    facts["environment"] = os.environ.get("BONDX_ENV") or None
    facts |= _replica_facts(workspace, facts["problems"])
    named = str(workspace.settings_file)
    if not any(named in problem for problem in facts["problems"]) and (problem := _problem_with_keys(workspace)):
        facts["problems"].append(problem)
    return facts


def _replica_facts(workspace: "Workspace", problems: list[str]) -> dict[str, Any]:
    """Return what this workspace follows, and who follows it; add to the problems that it is cut off."""
    from core.clock import utc_now
    from core.errors import CoreError
    from core.replication.contacts import replica_contacts
    from core.replication.standing import read_standing, silence_of, standing_file
    from core.settings import settings_in_force

    now = utc_now()
    facts: dict[str, Any] = {"follows": None, "replicas": []}
    try:
        follow = settings_in_force(workspace.root).serving.follow
        if follow is not None:
            silence = silence_of(read_standing(standing_file(workspace.root)), follow, now)
            facts["follows"] = follow.url
            problems += [silence] if silence else []
        facts["replicas"] = [
            {
                "name": contact.name,
                "host": contact.host,
                "principal": contact.principal,
                "state": contact.phase(now),
                "since": contact.since(now),
            }
            for contact in replica_contacts(workspace, now)
        ]
    except CoreError as error:  # the snapshot names the same file already, where it reads it
        problems += [] if str(error) in problems else [str(error)]
    return facts


def _problem_with_keys(workspace: "Workspace") -> str | None:
    """Say why the console would refuse the keys of the settings; without keys, nothing of the console is imported."""
    from console.commands.config import check_keys
    from core.plain_files import read_file
    from core.settings import SettingsError

    try:
        if b"keys" in read_file(workspace.settings_file):
            check_keys(workspace.settings_file)
    except OSError:
        return None  # no settings file, or one that the snapshot names already
    except SettingsError as error:
        return str(error)
    return None


def _status_at(args: argparse.Namespace) -> int:
    from console.commands.opening import past_instant
    from core.view.past.replay import RecordedPast

    if args.watch:
        raise UsageError("--at shows one instant, which never changes, so --watch has no effect: leave one out.")
    workspace = open_workspace(args)
    facts = facts_of(RecordedPast(workspace).at(past_instant(args.at)))
    _print(facts, args)
    return exit_code(facts)


def facts_of(snapshot: "Snapshot", *, now: "datetime | None" = None) -> dict[str, Any]:
    """Reduce a snapshot to the facts a script asks for; JSON-ready but for instants.

    Ages are left to the reader: a fact that changes every second would make `--watch` print forever.

    Args:
        snapshot: The workspace.
        now: When the facts are asked for; by default when the snapshot was taken.
    """
    from core.alerts import AlertState
    from core.monitoring.sentences import worst_first
    from core.view.retired import retired_models

    engine = snapshot.engine
    silence = engine.silence if engine is not None else None
    return {
        "workspace": str(snapshot.workspace),
        "engine": None
        if engine is None
        else {name: getattr(engine, name) for name in ("user", "host", "pid", "mode", "acquired_at", "silent_since")},
        "sessions": [
            {
                "session_id": session.session_id,
                "desired": session.desired,
                "phase": session.observed.phase,
                "epoch": session.observed.epoch,
                "n_epochs": session.observed.n_epochs,
                "score": session.observed.score,
                "quality_score": session.observed.quality_score,
                "failing_gates": [gate.name for gate in session.observed.gates if gate.verdict == "fail"],
            }
            for session in snapshot.sessions
            if not session.observed.phase.is_at_rest
        ],
        "rollouts": [
            {
                "rollout_id": rollout.rollout_id,
                "model": rollout.model,
                "stable": rollout.stable,
                "candidate": rollout.candidate,
                "strategy": rollout.strategy,
                "phase": "stuck" if rollout.is_stuck else rollout.observed.phase,
                "problem": rollout.observed.problem,
                "desired": rollout.desired,
                "step": rollout.observed.step + 1,
                "n_steps": len(rollout.plan.steps),
                "share": rollout.share,
                "mirror_share": rollout.mirror_share,
            }
            for rollout in snapshot.rollouts
            if rollout.is_active
        ],
        "production": [
            {
                "model": version.model,
                "version": version.version,
                "attainment": version.metrics.get("attainment"),
                "stage_since": version.stage_since,
            }
            for version in snapshot.versions
            if version.stage == "Production"
        ],
        "without_live_version": [
            {"model": retired.model, "version": retired.version, "since": retired.since, "by": retired.by}
            for retired in retired_models(snapshot)
        ],
        "health": [
            {
                "model": found.model,
                "version": found.live.version,
                "state": found.health.state,
                "since": found.health.since,
                "reasons": [reason.text for reason in found.health.reasons],
                "missing": list(found.health.missing),
            }
            for found in worst_first(snapshot.monitoring)
        ],
        "alerts": [
            {
                "fingerprint": alert.fingerprint,
                "severity": alert.severity,
                "state": alert.state,
                "summary": alert.summary,
                "last_at": alert.last_at,
            }
            for alert in snapshot.alerts
            if alert.state in (AlertState.FIRING, AlertState.ACKNOWLEDGED)
        ],
        "alerts_at": snapshot.checked_until if snapshot.absence else None,
        "resources": {
            name: round(value) for name in GAUGES if (value := snapshot.latest(f"resource.{name}")) is not None
        },
        "resources_at": _stopped_at(snapshot, now or snapshot.taken_at),
        "unreadable": sorted(snapshot.unreadable),
        "unwritable": snapshot.unwritable or None,
        "problems": [*([silence] if silence else []), *snapshot.problems],
    }


def _stopped_at(snapshot: "Snapshot", now: "datetime") -> "datetime | None":
    """Return when the machine was last sampled if its figures are old: nobody samples it, or no sample is stored."""
    points = snapshot.resources.get(f"resource.{GAUGES[0]}", ())
    if not points:
        return None
    sampled_at = points[-1][0]
    if snapshot.absence is None and now.timestamp() - sampled_at < OLD_SECONDS:
        return None
    from datetime import UTC, datetime

    return datetime.fromtimestamp(round(sampled_at), tz=UTC)


def exit_code(facts: dict[str, Any]) -> int:
    """Return 1 while something needs a person.

    That is while an alert fires, a live version or a gate fails, a file is damaged, or nobody judges a rollout. Those
    of a replica are judged at its desk.
    """
    firing = any(alert["state"] == "firing" for alert in facts["alerts"])
    failing = any(session["failing_gates"] for session in facts["sessions"])
    failing |= any(found["state"] == "failing" for found in facts["health"])
    unjudged = (
        facts["rollouts"] and not _is_replica(facts) and (facts["engine"] is None or facts["engine"]["silent_since"])
    )
    return ExitCode.FAILING if firing or failing or unjudged or facts["problems"] else ExitCode.GOOD


def _is_replica(facts: dict[str, Any]) -> bool:
    """Whether the engine of another workspace is the one that works for this one."""
    return bool(facts.get("follows")) and facts["engine"] is None


def _print(facts: dict[str, Any], args: argparse.Namespace) -> None:
    from console.cli.output import print_json, printable

    if args.json:
        if args.watch:  # one object a line, so that a reader knows where each ends
            from console.cli.escaped_text import json_text

            print(json_text(facts), file=answers())
        else:
            print_json(facts)
        return
    for name, sentence in _sentences(facts, n_alerts=None if args.all else N_ALERTS):
        print(f"{name}: {printable(sentence)}" if args.plain else f"{name:<10}  {printable(sentence)}")


def _sentences(facts: dict[str, Any], *, n_alerts: int | None) -> list[tuple[str, str]]:
    from console.cli.output import printable
    from core.view.snapshot import NO_ENGINE, SILENT_ENGINE

    holder, absence = "not running", NO_ENGINE
    if _is_replica(facts):
        holder, absence = f"none here: that of {facts['follows']} trains and judges", ""
    if engine := facts["engine"]:
        absence = SILENT_ENGINE if engine["silent_since"] else ""
        who = f"{engine['user']}@{engine['host']}, process {engine['pid']}"
        holder = f"{engine['mode']}, {who}, since {printable(engine['acquired_at'])}"
        if engine["silent_since"]:
            holder += f", silent since {printable(engine['silent_since'])}"
    lines = [("workspace", facts["workspace"])]
    if facts["unwritable"]:
        lines.append(("critical", facts["unwritable"]))
    lines.append(("engine", holder))
    if name := facts.get("environment"):
        lines.append(("policy", f"of the environment {printable(name)} (BONDX_ENV)"))
    for session in facts["sessions"]:
        score = f", score {session['score']:.4f}" if session["score"] is not None else ""
        failing = f", failing gates: {', '.join(session['failing_gates'])}" if session["failing_gates"] else ""
        most = f" of {session['n_epochs']}" if session["n_epochs"] else ""  # of texts it is known once it is prepared
        reached = f", epoch {session['epoch']}{most}" if session["epoch"] or most else ""
        waits = f"; waiting: {absence}" if absence and session["phase"] != "paused" else ""
        told = f"{session['session_id']} {session['phase']}{reached}{score}{failing}{waits}"
        lines.append(("session", told))
    for version in facts["production"]:
        attainment = f", attainment {version['attainment']:.4f}" if version["attainment"] is not None else ""
        since = printable(version["stage_since"])
        lines.append(("production", f"{version['model']} {version['version']} since {since}{attainment}"))
    for retired in facts["without_live_version"]:
        since = f" since {printable(retired['since'])}" if retired["since"] else ""
        lines.append(
            ("production", f"{retired['model']} has no live version{since}; the last was {retired['version']}")
        )
    if not facts["production"] and not facts["without_live_version"]:
        lines.append(("production", "unknown: it cannot be read" if "registry" in facts["unreadable"] else "nothing"))
    if facts["health"]:
        lines.append(("health", _health_sentence(facts["health"], absence)))
    for rollout in facts["rollouts"]:
        from core.rollout.rollout import state_in_words  # loaded by now, where there is a rollout

        copies = "copies of " if rollout["mirror_share"] else ""
        given = f"{copies}{100 * (rollout['mirror_share'] or rollout['share']):g}% of the requests"
        judged = f"; not judged: {absence}" if absence else ""
        judged = f": {rollout['problem']}" if rollout["problem"] else judged
        lines.append(
            (
                "rollout",
                f"{rollout['rollout_id']} {rollout['model']} {rollout['stable']} -> {rollout['candidate']} "
                f"{state_in_words(rollout['phase'])}, step {rollout['step']} of {rollout['n_steps']}, {given}{judged}",
            )
        )
    if facts["alerts"] and absence:  # before them: they read as present ones
        as_of = f"as of {printable(facts['alerts_at'])}: " if facts["alerts_at"] else ""
        lines.append(("alert", f"{as_of}{absence}, so nothing is evaluated"))
    lines += [("alert", sentence) for sentence in _alert_sentences(facts["alerts"], n_alerts)]
    if not facts["alerts"]:
        known = f"none open, but {absence}, so nothing is checked" if absence else "none"
        lines.append(("alert", "unknown: they cannot be read" if "alerts" in facts["unreadable"] else known))
    if facts.get("follows"):
        lines.append(("follows", facts["follows"]))
    for replica in facts.get("replicas", ()):
        since = f" since {printable(replica['since'])}" if replica["since"] else ""
        lines.append(("replica", f"{replica['name']} on {replica['host']}: {replica['state']}{since}"))
    if facts["resources"]:
        sampled = f" as of {printable(facts['resources_at'])}" if facts["resources_at"] else ""
        gauges = ", ".join(f"{name.split('_')[0]} {v}%" for name, v in facts["resources"].items())
        lines.append(("resources", gauges + sampled))
    return lines + [("problem", problem) for problem in facts["problems"] if problem != facts["unwritable"]]


def _health_sentence(health: list[dict[str, Any]], absence: str) -> str:
    """Count the models by health, the worst state first, and give the reason of the worst of them."""
    from console.cli.output import printable

    ranked = [found for state in _WORST_FIRST for found in health if found["state"] == state]
    counts = {state: sum(found["state"] == state for found in health) for state in _WORST_FIRST}
    sentence = ", ".join(f"{n} {state}" for state, n in counts.items() if n)
    worst = ranked[0]
    if worst["state"] != "healthy":
        why = next(iter(worst["reasons"] if worst["state"] != "unknown" else worst["missing"]), "")
        since = f" since {printable(worst['since'])}" if worst["since"] else ""
        sentence += f"; {worst['model']} {worst['version']} {worst['state']}{since}{f': {why}' if why else ''}"
    return f"{sentence}; not watched now: {absence}" if absence else sentence


def _alert_sentences(alerts: list[dict[str, Any]], limit: int | None) -> list[str]:
    """List the worst alerts, the newest of equals first, and count the others by severity."""
    from core.alerts import Severity

    ranked = sorted(alerts, key=lambda alert: (-alert["severity"].rank, alert["state"] != "firing"))
    shown, others = ranked[:limit], [alert["severity"] for alert in ranked[len(ranked[:limit]) :]]
    sentences = [f"{alert['severity']} {alert['state']} {alert['summary']}" for alert in shown]
    if others:
        counts = [f"{n:,} {severity}" for severity in reversed(Severity) if (n := others.count(severity))]
        sentences.append(f"and {len(others):,} more ({', '.join(counts)}): --all lists them")
    return sentences
