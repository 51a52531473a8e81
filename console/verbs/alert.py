"""Verbs about alerts: acknowledge, resolve; one alert, or all that are marked."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from console.presentation.offer import Offer
from console.presentation.phrases import counted
from console.verbs.offer import OfferContext
from console.verbs.several import carry_out_each
from console.verbs.verb import Argument, Change, Command, Key, Noun, ScreenAction
from core.alerts import Alert, AlertState
from core.errors import NotFoundError
from widgets.line import Line, section

if TYPE_CHECKING:
    from core.alerts import Alerts
    from core.view.snapshot import Snapshot

AlertGroup = tuple[Alert, ...]
"""The marked alerts, or the alert under the cursor."""


def _named(snapshot: "Snapshot", words: Sequence[str]) -> AlertGroup:
    found = tuple(alert for alert in snapshot.alerts if alert.fingerprint == words[0])
    if not found:
        raise NotFoundError(f"There is no alert {words[0]}. Press 5 to see the alerts.")
    return found


ALERT_WORD = Argument("ALERT", lambda snapshot, _: [alert.fingerprint for alert in snapshot.alerts])
ALERT: Noun[AlertGroup] = Noun(group="alerts", arguments=(ALERT_WORD,), missing="No alert is selected.", find=_named)
MARK_ALERT = ScreenAction(
    "mark",
    Key("space", "mark", "Mark an alert, to decide about several together; Esc clears the marks", sign="Space"),
    noun=ALERT,
    on=("alerts",),
)


class AlertDecision(Change[AlertGroup]):
    """A decision about alerts, in the state shown at the key press. Those that it does not suit are left out."""

    noun = ALERT
    confirm: str
    participle: str
    way_back: str

    def refuses(self, alert: Alert) -> str | None:
        """Return the reason why an alert does not allow it, or None."""
        raise NotImplementedError

    def effects(self, group: AlertGroup) -> tuple[str, ...]:
        """Describe the consequences."""
        raise NotImplementedError

    def carry_out(self, alerts: "Alerts", alert: Alert, context: OfferContext, reason: str) -> object:
        """Decide about one alert."""
        raise NotImplementedError

    def refusal(self, thing: AlertGroup) -> str | None:
        """Refuse if it suits none of the alerts."""
        refusals = [self.refuses(alert) for alert in thing]
        return None if not refusals or None in refusals else refusals[0]

    def offer(self, context: OfferContext, thing: AlertGroup, *options: Any) -> Offer:
        """Offer it for every alert that it suits."""
        from core.alerts import Alerts

        alerts = Alerts(context.workspace)
        group = tuple(alert for alert in thing if self.refuses(alert) is None)

        def commit(reason: str) -> str:
            names = carry_out_each(
                group, lambda alert: alert.rule, lambda alert: self.carry_out(alerts, alert, context, reason)
            )
            return f"{self.participle} {names}."

        left_out = [f"{alert.summary}: {self.refuses(alert)}" for alert in thing if alert not in group]
        lines = [
            line
            for alert in group
            for line in (
                Line(((f"{alert.severity}  ", "bad"), (alert.rule, "strong"))),
                Line(((alert.summary, ""),)),
            )
        ]
        what = "an alert" if len(group) == 1 else counted(len(group), "alert")
        return Offer(
            title=f"{self.confirm} {what}",
            lines=(
                *lines,
                *section("Left out", left_out),
                *section("What will happen", self.effects(group)),
                *section("How to undo it", (self.way_back,)),
            ),
            confirm=self.confirm,
            commit=commit,
        )


class Acknowledge(AlertDecision):
    """Acknowledge alerts."""

    name = "acknowledge"
    key = Key("K", "acknowledge", "Acknowledge the alert, or the marked alerts (asks first)")
    command = Command("acknowledge an alert", aliases=("ack",))
    confirm, participle = "Acknowledge", "Acknowledged"
    way_back = "It reopens automatically if it fires after it was resolved."

    def refuses(self, alert: Alert) -> str | None:
        """Refuse an alert that is not firing."""
        return None if alert.state is AlertState.FIRING else f"This alert is already {alert.state}."

    def effects(self, group: AlertGroup) -> tuple[str, ...]:
        """Describe the acknowledgement, which lasts as long as the alert."""
        return (
            "It stays on the list under your name until its condition ends, or until it is resolved.",
            "Until then it notifies nobody.",
        )

    def carry_out(self, alerts: "Alerts", alert: Alert, context: OfferContext, reason: str) -> object:
        """Acknowledge one alert."""
        return alerts.acknowledge(alert.fingerprint, context.actor, expected_revision=alert.revision, reason=reason)


class Resolve(AlertDecision):
    """Resolve alerts by hand."""

    name = "resolve"
    key = Key("X", "resolve", "Resolve the alert, or the marked alerts, by hand (asks first)")
    command = Command("resolve an alert by hand")
    confirm, participle = "Resolve", "Resolved"
    way_back = "A resolved alert opens again only when it fires; the audit log keeps your reason."

    def refuses(self, alert: Alert) -> str | None:
        """Refuse an alert that is resolved."""
        return None if alert.state.is_open else f"This alert is already {alert.state}."

    def effects(self, group: AlertGroup) -> tuple[str, ...]:
        """Say what makes the alerts fire again: it differs between conditions and events."""
        from core.alerts.rules import is_condition

        lasting = [alert.rule for alert in group if is_condition(alert.rule)]
        events = [alert.rule for alert in group if not is_condition(alert.rule)]
        return (
            *((f"Fires again only after its condition has ended: {', '.join(lasting)}.",) if lasting else ()),
            *((f"Fires again the next time it happens: {', '.join(events)}.",) if events else ()),
        )

    def carry_out(self, alerts: "Alerts", alert: Alert, context: OfferContext, reason: str) -> object:
        """Resolve one alert."""
        return alerts.resolve(alert.fingerprint, context.actor, expected_revision=alert.revision, reason=reason)
