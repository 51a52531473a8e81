"""Alerts over HTTP."""

from datetime import datetime

import msgspec
from litestar import Controller, get, post
from litestar.params import FromPath, FromQuery, JSONBody

from core.alerts import Alert, Alerts
from core.alerts.history import HistoryEntry, history_of
from core.alerts.selecting import matching, read_matchers
from core.serving.authenticator import Caller
from core.serving.control.admission import LOOK, OPERATE, Given
from core.state import Workspace
from core.view.source import take_snapshot
from core.view.suspects import LocatedAlert, locate


class Decision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a decision about an alert."""

    expected_revision: int | None = None  # of the alert, when this was decided
    reason: str = ""


class SnoozeDecision(Decision, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a snooze."""

    until: datetime  # with its offset from UTC


class NewComment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a comment."""

    text: str


class AlertWithHistory(msgspec.Struct, frozen=True, kw_only=True):
    """An alert, where the version that it names stands now, and its history, oldest first."""

    alert: LocatedAlert
    history: tuple[HistoryEntry, ...]


class AlertRoutes(Controller):
    """Alerts."""

    path = "/alerts"
    tags = ["alerts"]

    @get("/", opt=LOOK, sync_to_thread=True)
    def list_alerts(
        self, workspace: Given[Workspace], open_only: FromQuery[bool] = False, matcher: FromQuery[str] = ""
    ) -> list[LocatedAlert]:
        """List all alerts, or only the unresolved alerts, each with where the version that it names stands now.

        `matcher` keeps those whose labels match, such as `severity=critical,model=~"spread.*"`.
        """
        alerts, snapshot = Alerts(workspace), take_snapshot(workspace)
        found = alerts.open() if open_only else alerts.all()
        found = matching(found, read_matchers(matcher)) if matcher else found
        return [locate(alert, snapshot) for alert in found]

    @post("/{fingerprint:str}/acknowledge", opt=OPERATE, status_code=200, sync_to_thread=True)
    def acknowledge(
        self,
        workspace: Given[Workspace],
        caller: Given[Caller],
        fingerprint: FromPath[str],
        data: JSONBody[Decision],
    ) -> Alert:
        """Acknowledge an alert."""
        return Alerts(workspace).acknowledge(
            fingerprint, caller.actor, expected_revision=data.expected_revision, reason=data.reason
        )

    @post("/{fingerprint:str}/resolve", opt=OPERATE, status_code=200, sync_to_thread=True)
    def resolve(
        self,
        workspace: Given[Workspace],
        caller: Given[Caller],
        fingerprint: FromPath[str],
        data: JSONBody[Decision],
    ) -> Alert:
        """Resolve an alert; a condition that still holds fires again only after it has ended and returned.

        So does an alert from elsewhere, once its sender has ended it; an event fires again the next time it happens.
        """
        return Alerts(workspace).resolve(
            fingerprint, caller.actor, expected_revision=data.expected_revision, reason=data.reason
        )

    @get("/{fingerprint:str}", opt=LOOK, sync_to_thread=True)
    def show_alert(self, workspace: Given[Workspace], fingerprint: FromPath[str]) -> AlertWithHistory:
        """Show an alert with its history: each firing, decision, comment and resolution, who and when."""
        alert = Alerts(workspace).get(fingerprint)
        return AlertWithHistory(
            alert=locate(alert, take_snapshot(workspace)), history=tuple(history_of(workspace, alert))
        )

    @post("/{fingerprint:str}/snooze", opt=OPERATE, status_code=200, sync_to_thread=True)
    def snooze(
        self,
        workspace: Given[Workspace],
        caller: Given[Caller],
        fingerprint: FromPath[str],
        data: JSONBody[SnoozeDecision],
    ) -> Alert:
        """Keep the notifications of an alert back until a time."""
        return Alerts(workspace).snooze(
            fingerprint, caller.actor, data.until, expected_revision=data.expected_revision, reason=data.reason
        )

    @post("/{fingerprint:str}/comments", opt=OPERATE, status_code=200, sync_to_thread=True)
    def comment(
        self,
        workspace: Given[Workspace],
        caller: Given[Caller],
        fingerprint: FromPath[str],
        data: JSONBody[NewComment],
    ) -> Alert:
        """Write a comment to an alert."""
        return Alerts(workspace).comment(fingerprint, caller.actor, data.text)
