"""From alerts that nobody acknowledges to notifications: which steps are due, and what was told, durable.

Alerts of one rule whose steps fall due together for a receiver are told together, and are one group until all of them
ended: a channel with incidents of its own opens one, and later alerts open another, which is heard.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec

from core.alerts.alert import Alert
from core.alerts.escalation.policy import EscalationPolicies
from core.alerts.escalation.routed import ToldAnyway, told_by_nothing
from core.clock import to_iso

if TYPE_CHECKING:
    from core.state import Documents, Workspace

DATABASE: Final = "notifications"
"""Shared with the outbox: that a step was told and what is to be sent become durable together."""
TABLE: Final = "escalations"
REASON: Final = "escalation"


class EscalatedAlert(msgspec.Struct, frozen=True, kw_only=True):
    """What was told of one alert by its steps."""

    fingerprint: str
    n_fired: int  # the firing that was last told of
    since: datetime | None = None  # of which incident `told` is: since when nobody acknowledged it
    told: dict[str, datetime] = {}  # by step and receiver or rotation, when it was told of this incident
    heard: dict[str, str] = {}  # by receiver that was told and has not heard of the end, the group it was told in
    revision: int = 0


@dataclass(frozen=True, slots=True)
class EscalationNotification:
    """What a receiver is to be told because nobody acknowledged, or because what it was told of ended."""

    receiver: str
    group_key: str
    group_labels: Mapping[str, str]
    alerts: tuple[Alert, ...]
    reason: str  # escalation, resolved


class Escalation:
    """Follows the steps over the durable documents of a workspace."""

    def __init__(self, workspace: "Workspace", policies: EscalationPolicies, receivers: Collection[str]) -> None:
        """Prepare.

        Args:
            workspace: The workspace.
            policies: The steps.
            receivers: The receivers that exist; a step to another one is told once the receiver exists.
        """
        self._workspace = workspace
        self._policies = policies
        self._receivers = frozenset(receivers)

    @property
    def documents(self) -> "Documents[EscalatedAlert]":
        """What was told, by fingerprint."""
        return self._workspace.database(DATABASE).documents(TABLE, EscalatedAlert, key="fingerprint")

    def may_tell(self, open_alerts: Sequence[Alert]) -> bool:
        """Whether there is anything to decide: an open alert with steps, or a receiver that waits for an end."""
        return any(self._policies.targets(alert) for alert in open_alerts) or bool(self.documents.all_keys())

    def dispatch(
        self,
        alerts: Sequence[Alert],
        muted: Collection[str],
        now: datetime,
        told_anyway: ToldAnyway = told_by_nothing,
    ) -> tuple[list[EscalationNotification], datetime | None]:
        """Decide on the steps that are due, and note them as told, within the caller's transaction.

        Args:
            alerts: Every alert.
            muted: The fingerprints of open alerts that nobody is told of: acknowledged, snoozed, silenced, inhibited.
            now: The time.
            told_anyway: Says which steps are not told because a route tells the same receiver.

        Returns:
            The notifications, and when the next step falls due; None if no step will.
        """
        known = {each.fingerprint: each for each in self.documents.all()}
        by_fingerprint = {alert.fingerprint: alert for alert in alerts}
        after: dict[str, EscalatedAlert | None] = {}
        news: dict[tuple[str, str], dict[str, Alert]] = {}  # by receiver and group, the alerts whose step is due
        times: list[datetime] = []
        for alert in alerts:
            if not alert.state.is_open or alert.fingerprint in muted:
                continue
            escalated = _of_incident(known.get(alert.fingerprint), alert)
            for key, receiver, at in self._waiting(alert, escalated, now):
                if at > now:
                    times.append(at)
                    continue
                routed_at = told_anyway(alert, receiver, at)
                if routed_at is not None:
                    if routed_at > now:
                        times.append(routed_at)
                    else:  # the route tells of the end, too
                        escalated = msgspec.structs.replace(escalated, told=escalated.told | {key: now})
                    continue
                group = escalated.heard.get(receiver, f"escalation:{alert.rule}:{to_iso(now)}")
                news.setdefault((receiver, group), {})[alert.fingerprint] = alert
                escalated = msgspec.structs.replace(
                    escalated, told=escalated.told | {key: now}, heard=escalated.heard | {receiver: group}
                )
            if escalated.told or escalated.heard:
                after[alert.fingerprint] = escalated
        over = self._over(known, by_fingerprint, after)
        self._store(known, after)
        others: dict[tuple[str, str], list[Alert]] = {}
        for name, each in (known | after).items():
            alert_now = by_fingerprint.get(name)
            if each is not None and alert_now is not None and alert_now.state.is_open and name not in muted:
                for told_in in each.heard.items():
                    others.setdefault(told_in, []).append(alert_now)
        found = []
        for receiver, group in dict.fromkeys((*news, *over)):
            fresh, ended = news.get((receiver, group), {}), over.get((receiver, group), [])
            rest = [alert for alert in others.get((receiver, group), ()) if alert.fingerprint not in fresh]
            told_of = (*fresh.values(), *rest, *ended)
            labels = {"alertname": next(iter(fresh.values()), ended[0] if ended else told_of[0]).name}
            reason = REASON if fresh else "resolved"
            found.append(EscalationNotification(receiver, group, labels, told_of, reason))
        return found, min(times, default=None)

    def _waiting(self, alert: Alert, escalated: EscalatedAlert, now: datetime) -> Iterator[tuple[str, str, datetime]]:
        """Yield the steps that were not told yet, with their receivers of now and when they are due."""
        for target in self._policies.targets(alert):
            if target.key in escalated.told:
                continue
            receiver = self._policies.receiver(target, now)
            if receiver is not None and receiver in self._receivers:
                yield target.key, receiver, alert.untaken_since + target.after

    def _over(
        self,
        known: Mapping[str, EscalatedAlert],
        alerts: Mapping[str, Alert],
        after: dict[str, EscalatedAlert | None],
    ) -> dict[tuple[str, str], list[Alert]]:
        """Return the alerts that ended, by receiver and group that heard of them; `after` forgets them."""
        over: dict[tuple[str, str], list[Alert]] = {}
        for name, escalated in known.items():
            alert = alerts.get(name)
            if alert is not None and alert.state.is_open:
                continue
            after[name] = None
            if alert is not None:  # of what no document is left, nothing can be told any more
                for receiver, group in escalated.heard.items():
                    over.setdefault((receiver, group), []).append(alert)
        return over

    def _store(self, known: Mapping[str, EscalatedAlert], after: Mapping[str, EscalatedAlert | None]) -> None:
        documents = self.documents
        if gone := [name for name, escalated in after.items() if escalated is None]:
            documents.remove_all(gone)
        kept = {name: escalated for name, escalated in after.items() if escalated is not None}
        if new := [escalated for name, escalated in kept.items() if name not in known]:
            documents.insert_all(new)
        if changed := [each for name, each in kept.items() if name in known and each != known[name]]:
            documents.replace_all(changed)


def _of_incident(known: EscalatedAlert | None, alert: Alert) -> EscalatedAlert:
    """Return what was told of the present incident; who heard of an earlier one still waits for the end."""
    since = alert.untaken_since
    if known is None:
        return EscalatedAlert(fingerprint=alert.fingerprint, n_fired=alert.n_fired, since=since)
    is_same = known.n_fired == alert.n_fired if known.since is None else known.since == since
    told = known.told if is_same else {}
    return msgspec.structs.replace(known, n_fired=alert.n_fired, since=since, told=told)
