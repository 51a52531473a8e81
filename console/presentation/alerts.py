"""Alerts as rows and as advice: which fire, since when, and what to do."""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from console.presentation.calm import evaluated_until
from console.presentation.cells import age_cell
from console.presentation.keys import sign_of, with_keys
from console.presentation.phrases import NOTHING, counted, instant, number
from console.presentation.unattended import Unattended
from core.alerts import Alert, AlertState, Severity
from core.alerts.alert import AlertValue
from core.alerts.comparison import comparison_of
from core.alerts.history import HistoryEntry, steps_in_document
from core.alerts.selecting import grouped
from core.monitoring.column_words import MOVED, moved_columns, since_text
from core.monitoring.verdicts import DriftType
from core.view.remembered import of_the_same
from core.view.retired import retired_models
from core.view.suspects import Suspect, VersionStanding, locate, standing_of, suspect_of
from widgets.columns import Column
from widgets.glyphs import Glyphs
from widgets.line import Line, shorten
from widgets.rows import Cell, Row

if TYPE_CHECKING:
    from core.alerts.silences import Silence
    from core.training.session import Session
    from core.view.snapshot import Snapshot

COLUMNS = (
    Column("mark", "", 1),
    Column("severity", "SEVERITY", 10),
    Column("state", "STATE", 12),
    Column("summary", "WHAT", 34, flex=1, is_key=True),
    Column("live", "LIVE", 9, priority=1),
    Column("age", "FOR", 4, align="right", field="first_at"),
    Column("n", "TIMES", 5, align="right", priority=2),
    Column("who", "ACK BY", 12, priority=3),
)
SMALL_COLUMNS = (
    *COLUMNS[:1],
    Column("severity", "SEV", 3),
    Column("state", "ST", 2),
    *COLUMNS[3:],
)
"""The columns of a screen below 80x24: a glyph and letters instead of words, so that names fit."""
WRONG_COLUMNS = (
    Column("severity", "SEVERITY", 10),
    Column("summary", "WHAT", 36, flex=1),
    Column("state", "STATE", 12, priority=1),
    Column("age", "FOR", 4, align="right", field="first_at"),
)
CRAMPED_WRONG_COLUMNS = (
    Column("severity", "SEV", 3),
    *WRONG_COLUMNS[1:],
)
"""The columns of a screen narrower than 80 columns: a glyph and a letter instead of a word."""
_BRIEF_NAME = 20
_PROBLEM = "problem-"
_COLUMN = re.compile(r"(?<=, line )(\d+), column \d+")
HEADING = "group/"
"""Begins the key of the heading of a group."""
MAX_ROWS = 1_000
"""The most alerts in a list: the worst. A filter finds the others."""
NO_ENGINE = "no-engine"
NO_LIVE = "no-live-version/"
"""Begins the key of the row of a model that had a live version, and has none now."""
_SESSION_ADVICE = (
    "Enter shows the session: {console.why} shows which gates failed and why, {console.logs} shows the log, "
    "{training.pause_or_resume} pauses it."
)
_MACHINE_ADVICE = "Enter shows the resources."
_BUSY_ADVICE = "Enter shows the resources; {training.pause_or_resume} pauses a session, which frees its CPU and memory."
_BUSY_RULES = frozenset({"cpu_high", "memory_high"})
_SEVERITY_TONES = {Severity.CRITICAL: "alarm", Severity.WARNING: "warn", Severity.INFO: "accent"}
_STATE_ORDER = {AlertState.FIRING: 0, AlertState.PENDING: 1, AlertState.ACKNOWLEDGED: 5, AlertState.RESOLVED: 6}
_UNHEARD_ORDER = {"inhibited": 2, "silenced": 3, "snoozed": 4}
"""The words of a list for alerts that fire unheard: they stand behind those that are heard."""
_STATE_TONES = {AlertState.FIRING: "bad", AlertState.ACKNOWLEDGED: "accent", AlertState.RESOLVED: "muted"}


def severity_cell(alert: Alert, glyphs: Glyphs) -> Cell:
    """Draw the severity with a glyph, a word and a tone."""
    glyph = {Severity.CRITICAL: glyphs.failed, Severity.WARNING: glyphs.warned}.get(alert.severity, glyphs.dot)
    tone = "muted" if alert.state is AlertState.RESOLVED else _SEVERITY_TONES[alert.severity]
    brief = f"{glyph} {alert.severity[0].upper()}"
    return Cell(f"{glyph} {alert.severity}", tone, str(alert.severity), alert.severity.rank, brief=brief)


def _kind_cell(glyph: str, kind: str, tone: str) -> Cell:
    return Cell(f"{glyph} {kind}", tone, brief=f"{glyph} {kind[0].upper()}")


def _state_cell(alert: Alert, snapshot: "Snapshot", now: datetime) -> Cell:
    """Draw the state in a word: of a firing alert, that it is silenced, inhibited, snoozed or flapping.

    By its state, an alert that nobody hears of stands behind those that are heard.
    """
    tone, word = _STATE_TONES.get(alert.state, ""), str(alert.state)
    if alert.is_snoozed(now):
        tone, word = "accent", "snoozed"
    elif alert.state is AlertState.FIRING and silence_of(alert, snapshot, now) is not None:
        tone, word = "accent", "silenced"
    elif alert.state is AlertState.FIRING and alert.fingerprint in snapshot.inhibited:
        tone, word = "accent", "inhibited"
    elif alert.state is AlertState.FIRING and alert.is_flapping:
        word = "flapping"
    rank = _UNHEARD_ORDER.get(word, _STATE_ORDER[alert.state])
    return Cell(word, tone, rank=rank, brief=word[0].upper())


def silence_of(alert: Alert, snapshot: "Snapshot", now: datetime) -> "Silence | None":
    """Return the silence that keeps an alert from being told longest; None if none does."""
    hiding = [each for each in snapshot.silences if each.is_active(now) and each.hides(alert)]
    return max(hiding, key=lambda silence: silence.ends_at, default=None)


def silence_facts(alert: Alert, snapshot: "Snapshot", now: datetime) -> list[tuple[str, str]]:
    """Say what keeps an open alert from being told: another alert, silences; and which silence did last."""
    if not alert.state.is_open:
        return []
    facts: list[tuple[str, str]] = []
    if source := snapshot.inhibited.get(alert.fingerprint):
        facts.append(("inhibited", f"by {source}: nobody is told of this one while that one fires (inhibit_rules)"))
    over = [each for each in snapshot.silences if each.is_over(now) and each.hides(alert)]
    for silence in snapshot.silences:
        if silence.is_active(now) and silence.hides(alert):
            told = f"until {instant(silence.ends_at)} ({silence.silence_id}, {silence.created_by}: {silence.comment})"
            facts.append(("silenced", told))
    if last := max(over, key=lambda silence: silence.ends_at, default=None):
        facts.append(("silence", f"ended {instant(last.ends_at)} ({last.created_by}: {last.comment})"))
    return facts


def known_facts(alert: Alert, snapshot: "Snapshot", now: datetime) -> list[tuple[str, str]]:
    """Return what is known about an alert; of an open one until when, if no engine evaluates it now."""
    state, *others = alert_facts(alert, now)
    told = evaluated_until(snapshot) if alert.state.is_open else ""
    return [state, *([("known", told)] if told else []), *others]


def n_open(snapshot: "Snapshot") -> int:
    """Count the open alerts, for every screen that tells their number."""
    return _n_open(snapshot.alerts)


@of_the_same
def _n_open(alerts: Sequence[Alert]) -> int:
    return sum(alert.state.is_open for alert in alerts)


@of_the_same
def by_fingerprint(alerts: Sequence[Alert]) -> Mapping[str, Alert]:
    """Return the alerts by fingerprint: what the cursor is on is asked several times a key."""
    return {alert.fingerprint: alert for alert in alerts}


@of_the_same
def worst_first(alerts: Sequence[Alert]) -> Sequence[Alert]:
    """Order alerts: firing before acknowledged, critical before warning, newest first."""
    newest = sorted(alerts, key=lambda alert: alert.last_at, reverse=True)
    return sorted(newest, key=lambda alert: (_STATE_ORDER[alert.state], -alert.severity.rank))


@of_the_same
def open_worst_first(alerts: Sequence[Alert]) -> Sequence[Alert]:
    """Order the open alerts as `worst_first` does."""
    return [alert for alert in worst_first(alerts) if alert.state.is_open]


def worst_key(snapshot: "Snapshot") -> str:
    """Return the key of the worst problem: that nothing can be written, else the worst open alert; "" without one."""
    if snapshot.unwritable:
        return f"{_PROBLEM}0"
    worst = open_worst_first(snapshot.alerts)
    return worst[0].fingerprint if worst else ""


def alert_rows(
    snapshot: "Snapshot",
    now: datetime,
    glyphs: Glyphs,
    *,
    marked: Sequence[str] = (),
    shows_live: bool = False,
    shown: Sequence[Alert] | None = None,
    group_by: str = "",
) -> list[Row]:
    """Draw each alert as a row of `COLUMNS`, the worst first, at most `MAX_ROWS`.

    Args:
        snapshot: The alerts, and the versions that they are about.
        now: The present.
        glyphs: The signs to use.
        marked: The fingerprints of the marked alerts.
        shows_live: Whether the column LIVE has room; else a cut summary begins with what it would say.
        shown: Only these alerts; by default all.
        group_by: A label, "rule" or "severity": alerts with the same one stand together below a heading.
    """
    marks = frozenset(marked)
    alerts = worst_first(snapshot.alerts if shown is None else shown)[:MAX_ROWS]
    rows: list[Row] = []
    for name, group in (grouped(alerts, group_by) if group_by else {"": alerts}).items():
        if group_by:
            rows.append(_heading(group_by, name, group))
        rows += _rows_of(group, snapshot, now, glyphs, marks=marks, shows_live=shows_live)
    return rows


def _heading(group_by: str, name: str, group: Sequence[Alert]) -> Row:
    n_firing = sum(alert.state is AlertState.FIRING for alert in group)
    told = f"{group_by} {name}" if name else f"no {group_by}"
    cells: tuple[Cell | str, ...] = (
        "",
        "",
        "",
        Cell(f"{told}: {counted(len(group), 'alert')}, {n_firing} firing", "title"),
        "",
        "",
        "",
        "",
    )
    return Row(f"{HEADING}{name}", cells)


def _rows_of(
    alerts: Sequence[Alert],
    snapshot: "Snapshot",
    now: datetime,
    glyphs: Glyphs,
    *,
    marks: Collection[str],
    shows_live: bool,
) -> list[Row]:
    return [
        Row(
            alert.fingerprint,
            (
                Cell(glyphs.mark if alert.fingerprint in marks else " ", "accent"),
                severity_cell(alert, glyphs),
                _state_cell(alert, snapshot, now),
                summary_cell(alert.summary, alert) if shows_live else _spared_first(alert.summary, alert, snapshot),
                _live_cell(alert, snapshot),
                age_cell(alert.first_at, now),
                Cell(str(alert.n_fired), value=alert.n_fired),
                alert.acknowledged_by or "",
            ),
            "muted" if alert.state is AlertState.RESOLVED else "",
            found_by=alert.full_name,
        )
        for alert in alerts
    ]


def _live_cell(alert: Alert, snapshot: "Snapshot") -> Cell:
    """Say in a word whether the live version of an open alert's model is affected."""
    suspect = suspect_of(alert, snapshot) if alert.state.is_open else None
    if suspect is None or suspect.live is None:
        return Cell("")
    if suspect.spares_live is None:
        return Cell("affected", "bad")
    return Cell(f"{suspect.live} ok", "good")


def summary_cell(told: str, alert: Alert, tone: str = "", *, brief: str = "") -> Cell:
    """Draw what an alert tells; where that does not fit, the brief words, with long names cut in the middle."""
    brief = brief or told
    for name in alert.labels.values():
        brief = brief.replace(name, shorten(name, _BRIEF_NAME))
    return Cell(told, tone, brief=brief)


def _spared_first(told: str, alert: Alert, snapshot: "Snapshot") -> Cell:
    """Draw what an alert tells; where that does not fit, that the live version is not affected comes first.

    The live version is named: the summary behind it names another version.
    """
    live = _live_cell(alert, snapshot)
    brief = f"live {live.text}; {alert.summary}" if live.tone == "good" else alert.summary
    return summary_cell(told, alert, brief=brief)


def wrong_rows(snapshot: "Snapshot", now: datetime, glyphs: Glyphs, *, idle: Unattended | None = None) -> list[Row]:
    """Draw the present problems as rows of `WRONG_COLUMNS`: files, the engine, models without a version, alerts.

    Of the alerts these are the worst `MAX_ROWS`: thousands at once must not slow the screen down.
    """
    rows = [
        Row(f"{_PROBLEM}{index}", (*_problem_cells(problem, snapshot, glyphs), "", ""))
        for index, problem in enumerate(snapshot.problems)
    ]
    if idle is not None:
        what = Cell(idle.told, "warn", brief=idle.brief)
        rows.append(Row(NO_ENGINE, (_kind_cell(glyphs.warned, "engine", "warn"), what, "", "")))
    for retired in retired_models(snapshot):
        age = age_cell(retired.since, now) if retired.since else Cell("")
        what = Cell(str(retired), "warn", brief=f"{shorten(retired.model, _BRIEF_NAME)} has no live version")
        rows.append(Row(f"{NO_LIVE}{retired.model}", (_kind_cell(glyphs.warned, "model", "warn"), what, "", age)))
    for alert in open_worst_first(snapshot.alerts)[:MAX_ROWS]:
        rows.append(
            Row(
                alert.fingerprint,
                (
                    severity_cell(alert, glyphs),
                    _spared_first(locate(alert, snapshot).told, alert, snapshot),
                    _state_cell(alert, snapshot, now),
                    age_cell(alert.first_at, now),
                ),
            )
        )
    return rows


def _problem_cells(problem: str, snapshot: "Snapshot", glyphs: Glyphs) -> tuple[Cell, Cell]:
    if problem != snapshot.unwritable:
        brief = _COLUMN.sub(r"\1", problem.replace(f"{snapshot.workspace}/", ""))
        return _kind_cell(glyphs.failed, "damage", "alarm"), Cell(problem, "bad", brief=brief)
    return _kind_cell(glyphs.failed, "critical", "alarm"), Cell(problem, "alarm", brief=unwritable_in_brief(problem))


def unwritable_in_brief(problem: str) -> str:
    """Say in a few words that nothing can be recorded.

    >>> unwritable_in_brief("the disk of /srv/bonds is full: 0 KiB free. Free some space.")
    'disk full: free space; nothing is recorded'
    >>> unwritable_in_brief("the last change was refused: Cannot write /srv/bonds/state/alerts.json: I/O error.")
    'writes are refused: nothing is recorded'
    """
    return (
        "disk full: free space; nothing is recorded"
        if " is full: " in problem
        else "writes are refused: nothing is recorded"
    )


def wrong_words(snapshot: "Snapshot", n_rows: int) -> str:
    """Count the problems for the frame of their list: the open alerts as `Alerts` counts them, the others apart.

    Args:
        snapshot: The alerts.
        n_rows: The number of all problems in the list.
    """
    alerts = n_open(snapshot)
    other = n_rows - min(alerts, MAX_ROWS)
    words = (counted(alerts, "open alert") if alerts else "", counted(other, "other problem") if other else "")
    return ", ".join(filter(None, words))


def retired_lines(model: str, snapshot: "Snapshot") -> list[Line]:
    """Say what it means that a model has no live version any more, and what to do."""
    told = next((str(each) for each in retired_models(snapshot) if each.model == model), model)
    back = standing_of(model, None, snapshot).returns_to
    steps = [f"{sign_of('registry.undo')} undoes the move."]
    if back:
        steps.append(f"{sign_of('registry.roll_back_version')} returns the model to {back}.")
    steps.append("Enter shows its versions: promote one, or leave it if nobody needs the model any more.")
    lines = [
        Line(((f"{told}. Who asks it for an answer gets none.", "warn"),)),
        Line(),
        Line((("What to do", "title"),)),
    ]
    return lines + [Line(((step, ""),)) for step in steps]


@of_the_same
def counts(alerts: Sequence[Alert]) -> Mapping[str, int]:
    """Count firing alerts by severity, for the status line."""
    firing = [alert.severity for alert in alerts if alert.state is AlertState.FIRING]
    return {str(severity): firing.count(severity) for severity in (Severity.CRITICAL, Severity.WARNING, Severity.INFO)}


def state_words(
    alert: Alert, now: datetime, silences: "Sequence[Silence]" = (), inhibited: Mapping[str, str] | None = None
) -> str:
    """Say the state, and what else decides whether an alert is heard: flapping, snoozed.

    Args:
        alert: The alert.
        now: The present.
        silences: Every silence.
        inhibited: The inhibited alerts by fingerprint.
    """
    words = [str(alert.state)]
    if alert.state.is_open and alert.is_flapping:
        words.append("flapping")
    if alert.is_snoozed(now):
        words.append("snoozed")
    if alert.state.is_open and any(each.is_active(now) and each.hides(alert) for each in silences):
        words.append("silenced")
    if alert.state.is_open and alert.fingerprint in (inhibited or {}):
        words.append("inhibited")
    return ", ".join(words)


def alert_number(value: AlertValue | None) -> str:
    """Spell the value of an alert."""
    return value if isinstance(value, str) else number(value)


def alert_facts(alert: Alert, now: datetime) -> list[tuple[str, str]]:
    """Return what is known about an alert, each with its name."""
    taken = f"{alert.acknowledged_by}, {instant(alert.acknowledged_at)}" if alert.acknowledged_by else NOTHING
    snoozed = f"until {instant(alert.snoozed_until)} by {alert.snoozed_by}" if alert.is_snoozed(now) else ""
    fired = f"{alert.n_fired} times" if alert.n_fired != 1 else "once"
    if alert.is_flapping:
        fired += f"; flapping, back {counted(alert.n_flaps, 'time')} since {instant(alert.incident_at)}"
    facts = [
        ("state", state_words(alert, now)),
        ("rule", alert.name),
        ("value", alert_number(alert.value)),
        (
            "limit",
            comparison_of(alert.expr) if alert.threshold is None and alert.expr else alert_number(alert.threshold),
        ),
        ("since", instant(alert.first_at)),
        ("last seen", instant(alert.last_at)),
        ("fired", fired),
        ("ack by", taken),
        ("resolved", f"{instant(alert.resolved_at)} {alert.resolved_by or ''}".rstrip()),
        ("snoozed", snoozed),
        ("expression", alert.expr),
        ("source", alert.source or alert.generator_url),
        ("runbook", alert.annotations.get("runbook_url", "")),
    ]
    always = {"value", "limit", "ack by", "resolved"}
    facts = [(name, value or (NOTHING if name in always else "")) for name, value in facts]
    return [*(fact for fact in facts if fact[1]), *alert.labels.items()]


def detail_lines(alert: Alert, snapshot: "Snapshot", glyphs: Glyphs) -> list[Line]:
    """Write out an alert: what was measured, since when, who acknowledged it, and what to do."""
    severity = severity_cell(alert, glyphs)
    now = snapshot.taken_at
    facts = [*known_facts(alert, snapshot, now), *silence_facts(alert, snapshot, now)]
    return [
        Line(((f"{severity.text}  ", severity.tone), (alert.summary, "strong"))),
        Line(),
        *(Line(((f"{name:<11} ", "muted"), (value, ""))) for name, value in facts),
        Line(),
        Line((("What to do", "title"),)),
        *(Line(((step, ""),)) for step in advice(alert, snapshot)),
        *timeline_lines(alert, snapshot.taken_at),
    ]


def carrying_lines(alert: Alert, snapshot: "Snapshot") -> list[Line]:
    """Name the columns that moved in what the version of an alert is asked, with the share of the model that each is.

    Empty for an alert of no version, and for a version in which nothing moved.
    """
    suspect = suspect_of(alert, snapshot)
    if suspect is None:
        return []
    watched = [each for found in snapshot.monitoring if found.model == suspect.model for each in found.versions]
    drift = next((each.drift for each in watched if each.version == suspect.version), None)
    moved = [column for column in moved_columns(drift, *MOVED) if column.type is DriftType.FEATURE]
    if not moved:
        return []
    lines = [Line(), Line((("Carried by", "title"), ("  columns that moved, the share of the model first", "muted")))]
    for column in moved[:_N_CARRYING]:
        share = "" if column.importance is None else f"{column.importance:.0%}"
        facts = "; ".join(filter(None, (f"{column.verdict}", column.reason, since_text(column))))
        lines.append(Line(((f"{share:>5}  ", "strong"), (f"{column.name}  ", ""), (facts, "muted"))))
    if (n_more := len(moved) - _N_CARRYING) > 0:
        lines.append(Line(((f"and {counted(n_more, 'column')} more", "muted"),)))
    return lines


_STEP_LETTERS = {"fired": "F", "acknowledged": "A", "commented": "C", "resolved": "R"}
_TIMELINE_CELLS = 40
_N_COMMENTS = 5
_N_CARRYING = 8


def timeline_lines(alert: Alert, now: datetime) -> list[Line]:
    """Draw the incident of an alert along a line up to now, and its newest comments; empty for one firing alone."""
    steps = sorted(steps_in_document(alert), key=lambda step: step.at)
    lines: list[Line] = []
    if len(steps) > 1:
        start, span = steps[0].at, max((now - steps[0].at).total_seconds(), 1.0)
        cells = ["-"] * _TIMELINE_CELLS
        for step in steps:
            place = min((step.at - start).total_seconds() / span, 1.0)
            cells[round(place * (_TIMELINE_CELLS - 1))] = _STEP_LETTERS[step.kind]
        shown = [kind for kind in _STEP_LETTERS if any(step.kind == kind for step in steps)]
        legend = ", ".join(f"{_STEP_LETTERS[kind]} {kind}" for kind in shown)
        lines = [
            Line(),
            Line((("Timeline", "title"), (f"  {instant(start)} to now", "muted"))),
            Line((("".join(cells), "accent"),)),
            Line(((legend, "muted"),)),
        ]
    if alert.comments:
        lines += [Line(), Line((("Comments", "title"),))]
        newest = alert.comments[-_N_COMMENTS:]
        lines += [Line(((f"{each.by}, {instant(each.at)}: ", "muted"), (each.text, ""))) for each in newest]
    return lines


def history_lines(entries: Sequence[HistoryEntry]) -> list[Line]:
    """Write out the history of an alert, oldest first."""
    return [
        Line(),
        Line((("History", "title"),)),
        *(
            Line(
                (
                    (f"{instant(entry.at)}  ", "muted"),
                    (f"{entry.kind} ", "strong"),
                    (f"{entry.by} ", ""),
                    (entry.text, ""),
                )
            )
            for entry in entries
        ),
    ]


def advice(alert: Alert, snapshot: "Snapshot") -> list[str]:
    """Advise the operator on an alert: the rule's own advice, where its version stands, the keys that lead there."""
    if alert.state is AlertState.RESOLVED:
        return ["Nothing: it is resolved."]
    suspect = suspect_of(alert, snapshot)
    is_over = suspect is not None and suspect.standing is VersionStanding.IDLE and suspect.version == suspect.live
    steps = [alert.advice] if alert.advice and not is_over else []  # the candidate that it tells to fix is live now
    if suspect:
        steps += [str(suspect), *_way_back(suspect)]
    if "rollout" in alert.labels:
        steps.append("Enter shows the rollout: what each guard measured, and when.")
    elif suspect:
        name = " ".join(filter(None, (suspect.model, suspect.version)))
        steps.append(f"Enter shows {name} in the registry.")
    elif "session" in alert.labels:
        steps.append(with_keys(_SESSION_ADVICE))
    elif alert.is_of_machine:
        steps.append(with_keys(_BUSY_ADVICE) if alert.rule in _BUSY_RULES else _MACHINE_ADVICE)
    if alert.state is AlertState.FIRING:
        steps.append(f"{sign_of('alerts.acknowledge')} acknowledges it, so that the others know.")
    if alert.state.is_open:
        steps.append(f"{sign_of('alerts.resolve')} resolves it by hand.")
    return steps


def session_of(alert: Alert, snapshot: "Snapshot") -> "Session | None":
    """Return the session that an alert is about; for the machine, the session whose pause would free it."""
    if alert.is_of_machine:
        return snapshot.active_session()
    return snapshot.session(alert.labels.get("session", ""))


def _way_back(suspect: Suspect) -> tuple[str, ...]:
    """Name the key that takes a version out of use; a version without requests needs none."""
    key = sign_of("registry.roll_back_version")
    if suspect.standing is VersionStanding.LIVE:
        return (f"{key} rolls the model back to the version that was live before.",)
    if suspect.standing is VersionStanding.CANDIDATE:
        return (f"{key} aborts {suspect.rollout_id}: all traffic returns to {suspect.live}.",)
    return ()
