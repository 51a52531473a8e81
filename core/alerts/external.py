"""Alerts from a Prometheus elsewhere, which sends them as to its Alertmanager.

They become documents beside our own, with the source "external" and a rule that no rule of ours has. Nothing in them is
trusted: names and texts are escaped and bounded, and so is the number of open alerts. An alert is over when its sender
says so, or when its `endsAt` has passed without another word.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec.structs import replace

from core.actor import Actor
from core.alerts.alert import EXTERNAL, EXTERNAL_PREFIX, Alert, AlertState, Severity, fingerprint_of
from core.alerts.flapping import incident_of
from core.alerts.lifecycle import STILL_SO_EVERY
from core.alerts.store import DATABASE, AlertStore
from core.clock import Clock, as_utc, utc_now
from core.escape import escaped, shown
from core.governance.audit import audited
from core.text_limits import cut

if TYPE_CHECKING:
    from core.governance.outbox import AuditedChange
    from core.state import Workspace

RESOLVE_TIMEOUT = timedelta(minutes=5)
"""After this long, an alert without `endsAt` that is not sent again is over, as by Alertmanager's `resolve_timeout`."""
MOST_OPEN = 1_000
MOST_LABELS, MOST_ANNOTATIONS = 64, 32
MOST_VALUE, MOST_ANNOTATION, MOST_SUMMARY, MOST_URL = 1_024, 4_096, 300, 2_048
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,127}")
_SEVERITIES = {
    "critical": Severity.CRITICAL,
    "page": Severity.CRITICAL,
    "error": Severity.CRITICAL,
    "info": Severity.INFO,
    "none": Severity.INFO,
}


class ReceivedAlert(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An alert as Prometheus sends it."""

    labels: dict[str, str]
    annotations: dict[str, str] = {}
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    generator_url: str = msgspec.field(default="", name="generatorURL")


class Reception(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a batch of alerts: the sound ones are taken whatever is wrong with the others."""

    n_taken: int
    faults: tuple[str, ...]  # one for each alert that is not well formed
    n_beyond_limit: int


class _Step(Enum):
    """What an alert that was received changes."""

    NOTHING = auto()
    FIRE = auto()
    RESOLVE = auto()
    CONFIRM = auto()
    REARM = auto()  # a person had resolved it, and now it is over

    @property
    def is_decision(self) -> bool:
        return self in (_Step.FIRE, _Step.RESOLVE)


class ExternalAlerts:
    """The alerts of one workspace that others send. Safe for several server processes at once."""

    def __init__(self, workspace: "Workspace", clock: Clock = utc_now) -> None:
        self._workspace = workspace
        self._clock = clock
        self._store = AlertStore(workspace, clock)

    def receive(self, received: Sequence[ReceivedAlert], actor: Actor) -> Reception:
        """Take a batch of alerts: fire, confirm or resolve each by its labels.

        Args:
            received: The alerts.
            actor: The caller who sends them.

        Raises:
            StateError: The alerts cannot be written.
        """
        now, faults, wanted = self._clock(), [], {}
        for number, alert in enumerate(received):
            if (fault := _fault_of(alert)) is not None:
                faults.append(f"alert {number}: {fault}")
            else:
                known = _alert_of(alert, now)
                wanted[known.fingerprint] = known
        n_beyond = self._apply(list(wanted.values()), actor, now)
        return Reception(n_taken=len(wanted) - n_beyond, faults=tuple(faults), n_beyond_limit=n_beyond)

    def expire(self) -> int:
        """Resolve the alerts whose time has passed without another word; return how many."""
        now = self._clock()
        over = [
            alert
            for alert in self._store.documents.all()
            if alert.source == EXTERNAL
            and (alert.state.is_open or alert.outlasted)
            and alert.ends_at is not None
            and alert.ends_at <= now
        ]
        self._apply(over, Actor.engine(), now)
        return len(over)

    def _apply(self, wanted: Sequence[Alert], actor: Actor, now: datetime) -> int:
        """Carry out a batch in one transaction; return how many alerts are beyond the limit."""
        plan = self._plan(wanted, now)
        if any(step.is_decision for _, _, step in plan.steps):
            try:
                with audited(self._workspace, DATABASE, actor=actor, clock=self._clock) as change:
                    plan = self._plan(wanted, now)  # as it is now that nobody else writes
                    self._carry_out(plan.steps, now, str(actor), change)
                    if change.n_recorded == 0:
                        raise _NothingDecidedError
                return plan.n_beyond_limit
            except _NothingDecidedError:  # another server has just taken the same alerts
                pass
        if plan.steps:
            with self._workspace.database(DATABASE).transaction():
                plan = self._plan(wanted, now)
                confirmed = [each for each in plan.steps if not each[2].is_decision]
                self._carry_out(confirmed, now, str(actor), None)
        return plan.n_beyond_limit

    def _plan(self, wanted: Sequence[Alert], now: datetime) -> "_Plan":
        documents = self._store.documents
        stored = [documents.find(alert.fingerprint) for alert in wanted]
        room = MOST_OPEN - sum(alert.source == EXTERNAL and alert.state.is_open for alert in documents.all())
        plan = _Plan([], 0)
        for before, alert in zip(stored, wanted, strict=True):
            step = _next_step(before, alert, now)
            if step is _Step.FIRE:
                if room <= 0:
                    plan = plan._replace(n_beyond_limit=plan.n_beyond_limit + 1)
                    continue
                room -= 1
            if step is not _Step.NOTHING:
                plan.steps.append((before, alert, step))
        return plan

    def _carry_out(
        self, steps: Sequence["_Planned"], now: datetime, author: str, change: "AuditedChange | None"
    ) -> None:
        documents = self._store.documents
        stamps: dict[str, Any] = {"updated_by": author, "updated_at": now}
        for before, alert, step in steps:
            if before is None:
                after = documents.insert(replace(alert, **stamps, **incident_of(None, alert), decided_revision=1))
            elif step is _Step.FIRE:
                again = {name: getattr(before, name) for name in _OF_PEOPLE} | incident_of(before, alert)
                again |= {"n_fired": before.n_fired + 1, "decided_revision": before.revision + 1}
                after = documents.replace(replace(alert, **stamps, **again, revision=before.revision))
            elif step is _Step.RESOLVE:
                resolved = {"state": AlertState.RESOLVED, "resolved_at": now, "ends_at": alert.ends_at}
                after = documents.replace(replace(before, **resolved, **stamps, decided_revision=before.revision + 1))
            elif step is _Step.REARM:
                documents.replace(replace(before, outlasted=False))
                continue
            else:
                news = {name: getattr(alert, name) for name in _CONFIRMED}
                documents.replace(replace(before, **news, last_at=max(before.last_at, now)))
                continue
            if change is not None:
                facts = {"state": after.state, "summary": after.summary, "n_fired": after.n_fired}
                verb = "alert.fire" if step is _Step.FIRE else "alert.resolve"
                was = None if before is None else {"state": before.state}
                change.record(verb, after.full_name, before=was, after=facts, model=after.labels.get("model"))
        if change is not None and steps:
            self._store.prune(change, now)


_OF_PEOPLE = ("comments", "snoozed_until", "snoozed_by")
_CONFIRMED = ("summary", "annotations", "generator_url", "ends_at")
_Planned = tuple[Alert | None, Alert, _Step]


class _Plan(NamedTuple):
    steps: list[_Planned]
    n_beyond_limit: int


class _NothingDecidedError(Exception):
    """Ends a transaction that has nothing to record."""


def _next_step(before: Alert | None, alert: Alert, now: datetime) -> _Step:
    """Decide what an alert that was received, or whose time has passed, changes."""
    is_over = alert.ends_at is not None and alert.ends_at <= now
    if before is None or not (before.state.is_open or before.outlasted):
        return _Step.NOTHING if is_over else _Step.FIRE
    if is_over:
        return _Step.RESOLVE if before.state.is_open else _Step.REARM
    is_old_news = now - before.last_at >= STILL_SO_EVERY
    ends_soon = (
        before.ends_at is not None and alert.ends_at is not None and before.ends_at - now < (alert.ends_at - now) / 2
    )
    is_new = before.summary != alert.summary or is_old_news or ends_soon
    return _Step.CONFIRM if is_new else _Step.NOTHING


def _fault_of(alert: ReceivedAlert) -> str | None:
    """Say what is wrong with an alert, or None."""
    if not any(alert.labels.values()):
        return "it has no label"
    if len(alert.labels) > MOST_LABELS or len(alert.annotations) > MOST_ANNOTATIONS:
        return f"it has more than {MOST_LABELS} labels or {MOST_ANNOTATIONS} annotations"
    for name in (*alert.labels, *alert.annotations):
        if _NAME.fullmatch(name) is None:
            return f"{shown(name)} is no name of a label: letters, digits and _, at most 128"
    for name, value in alert.labels.items():
        if len(value) > MOST_VALUE:
            return f"the label {name} has {len(value):,} characters; it must have at most {MOST_VALUE:,}"
    return None


def _alert_of(alert: ReceivedAlert, now: datetime) -> Alert:
    """Return a well-formed alert as our document, its texts escaped and cut."""
    labels = {name: escaped(value) for name, value in alert.labels.items() if value}
    annotations = {
        name: cut(escaped(text, keep="\n"), MOST_ANNOTATION) for name, text in alert.annotations.items() if text
    }
    name = labels.get("alertname", "unnamed")
    said = annotations.get("summary") or annotations.get("description") or annotations.get("message") or name
    runbook = annotations.get("runbook_url", "")
    return Alert(
        fingerprint=fingerprint_of(EXTERNAL_PREFIX, labels),
        rule=EXTERNAL_PREFIX + name,
        severity=_SEVERITIES.get(labels.get("severity", "").casefold(), Severity.WARNING),
        state=AlertState.FIRING,
        summary=cut(" ".join(said.split()), MOST_SUMMARY),
        advice=f"Runbook: {cut(' '.join(runbook.split()), MOST_URL)}" if runbook else "",
        labels=labels,
        annotations=annotations,
        source=EXTERNAL,
        generator_url=cut(escaped(alert.generator_url), MOST_URL),
        first_at=min(_instant(alert.starts_at) or now, now),
        last_at=now,
        ends_at=_instant(alert.ends_at) or now + RESOLVE_TIMEOUT,
    )


def _instant(at: datetime | None) -> datetime | None:
    """Return an instant; the year 1 is how Go says that there is none."""
    return None if at is None or at.year <= 1 else as_utc(at)
