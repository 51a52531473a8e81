"""Alerts as rows and as advice: which fire, since when, and what to do."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from console.presentation.phrases import NOTHING, age, instant, number
from core.alerts import Alert, AlertState, Severity
from widgets.glyphs import Glyphs
from widgets.line import Line
from widgets.live_table import Cell, Column, Row

if TYPE_CHECKING:
    from core.view.snapshot import Snapshot

COLUMNS = (
    Column("severity", "SEVERITY", 10),
    Column("state", "STATE", 12),
    Column("summary", "WHAT", 34, flex=1),
    Column("age", "FOR", 4, align="right"),
    Column("n", "TIMES", 5, align="right", priority=2),
    Column("who", "ACK BY", 12, priority=3),
)
WRONG_COLUMNS = (
    Column("severity", "SEVERITY", 10),
    Column("summary", "WHAT", 36, flex=1),
    Column("state", "STATE", 12, priority=1),
    Column("age", "FOR", 4, align="right"),
)
NO_ENGINE = "no-engine"
NO_ENGINE_ADVICE = (
    "Sessions wait. Rollouts stay at their shares: they are neither judged nor rolled back. "
    ":engine starts an engine in this console; bondx run --headless --no-session starts an engine that outlives it."
)
_SEVERITY_TONES = {Severity.CRITICAL: "alarm", Severity.WARNING: "warn", Severity.INFO: "accent"}
_STATE_ORDER = {AlertState.FIRING: 0, AlertState.PENDING: 1, AlertState.ACKNOWLEDGED: 2, AlertState.RESOLVED: 3}
_STATE_TONES = {AlertState.FIRING: "bad", AlertState.ACKNOWLEDGED: "accent", AlertState.RESOLVED: "muted"}


def severity_cell(alert: Alert, glyphs: Glyphs) -> Cell:
    """Draw the severity with a glyph, a word and a tone."""
    glyph = {Severity.CRITICAL: glyphs.failed, Severity.WARNING: glyphs.warned}.get(alert.severity, glyphs.dot)
    tone = "muted" if alert.state is AlertState.RESOLVED else _SEVERITY_TONES[alert.severity]
    return Cell(f"{glyph} {alert.severity}", tone)


def worst_first(alerts: Sequence[Alert]) -> list[Alert]:
    """Order alerts: firing before acknowledged, critical before warning, newest first."""
    newest = sorted(alerts, key=lambda alert: alert.last_at, reverse=True)
    return sorted(newest, key=lambda alert: (_STATE_ORDER[alert.state], -alert.severity.rank))


def alert_rows(alerts: Sequence[Alert], now: datetime, glyphs: Glyphs) -> list[Row]:
    """Draw each alert as a row of `COLUMNS`, the worst first."""
    return [
        Row(
            alert.fingerprint,
            (
                severity_cell(alert, glyphs),
                Cell(str(alert.state), _STATE_TONES.get(alert.state, "")),
                alert.summary,
                age(alert.first_at, now),
                str(alert.n_fired),
                alert.acknowledged_by or "",
            ),
            "muted" if alert.state is AlertState.RESOLVED else "",
        )
        for alert in worst_first(alerts)
    ]


def unattended(snapshot: "Snapshot") -> str | None:
    """Say what waits because no engine is running, and what to do; None where nothing waits."""
    if snapshot.engine is not None:
        return None
    waiting = [session.session_id for session in snapshot.sessions if session.wants_work]
    waiting += [rollout.rollout_id for rollout in snapshot.rollouts if rollout.is_active]
    if not waiting:
        return None
    return f"{', '.join(waiting)} {'waits' if len(waiting) == 1 else 'wait'} for an engine; :engine starts it"


def wrong_rows(
    alerts: Sequence[Alert],
    problems: Sequence[str],
    now: datetime,
    glyphs: Glyphs,
    *,
    idle: str | None = None,
) -> list[Row]:
    """Draw the present problems as rows of `WRONG_COLUMNS`: unreadable files, a missing engine, open alerts."""
    rows = [
        Row(f"problem-{index}", (Cell(f"{glyphs.failed} damage", "alarm"), Cell(problem, "bad"), "", ""))
        for index, problem in enumerate(problems)
    ]
    if idle is not None:
        rows.append(Row(NO_ENGINE, (Cell(f"{glyphs.warned} engine", "warn"), Cell(idle, "warn"), "", "")))
    for alert in worst_first([alert for alert in alerts if alert.state.is_open]):
        state = Cell(str(alert.state), _STATE_TONES.get(alert.state, ""))
        rows.append(
            Row(alert.fingerprint, (severity_cell(alert, glyphs), alert.summary, state, age(alert.first_at, now)))
        )
    return rows


def counts(alerts: Sequence[Alert]) -> dict[str, int]:
    """Count firing alerts by severity, for the status line."""
    firing = [alert.severity for alert in alerts if alert.state is AlertState.FIRING]
    return {str(severity): firing.count(severity) for severity in (Severity.CRITICAL, Severity.WARNING, Severity.INFO)}


def suspect(alert: Alert) -> tuple[str, str] | None:
    """Return the (model, version) an alert points at; the version is empty if the alert names only the model."""
    model = alert.labels.get("model")
    return (model, alert.labels.get("version", "")) if model else None


def detail_lines(alert: Alert, glyphs: Glyphs) -> list[Line]:
    """Write out an alert: what was measured, since when, who acknowledged it, and what to do."""
    severity = severity_cell(alert, glyphs)
    taken = f"{alert.acknowledged_by}, {instant(alert.acknowledged_at)}" if alert.acknowledged_by else NOTHING
    facts = [
        ("state", str(alert.state)),
        ("rule", alert.rule),
        ("value", number(alert.value)),
        ("limit", number(alert.threshold)),
        ("since", instant(alert.first_at)),
        ("last seen", instant(alert.last_at)),
        ("fired", f"{alert.n_fired} times" if alert.n_fired != 1 else "once"),
        ("ack by", taken),
        ("resolved", instant(alert.resolved_at)),
        *(alert.labels.items()),
    ]
    return [
        Line(((f"{severity.text}  ", severity.tone), (alert.summary, "strong"))),
        Line(),
        *(Line(((f"{name:<12}", "muted"), (value, ""))) for name, value in facts),
        Line(),
        Line((("What to do", "title"),)),
        *(Line(((step, ""),)) for step in advice(alert)),
    ]


def advice(alert: Alert) -> list[str]:
    """Advise the operator on an alert: the rule's own advice, then the keys that lead there."""
    steps = [alert.advice] if alert.advice else []
    if "rollout" in alert.labels:
        steps.append("Enter shows the rollout: what each guard measured, and when.")
    elif pointed_at := suspect(alert):
        name = " ".join(filter(None, pointed_at))
        steps.append(f"Enter shows {name} in the registry; R there rolls the model back.")
    elif "session" in alert.labels:
        steps.append("Enter shows the session: w shows which gates failed and why, l shows the log, H pauses it.")
    elif alert.is_of_machine:
        steps.append("Enter shows the resources; H pauses a session, which frees its CPU and memory.")
    if alert.state is AlertState.FIRING:
        steps.append("K acknowledges it, so that the others know.")
    elif alert.state is AlertState.RESOLVED:
        steps = ["Nothing: it is resolved."]
    return steps
