"""Verbs about alerts: acknowledge."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from console.presentation.offer import Offer
from console.verbs.offer import OfferContext
from console.verbs.verb import Argument, Change, Command, Key, Noun
from core.alerts import Alert, AlertState
from core.errors import NotFoundError
from widgets.line import Line, section

if TYPE_CHECKING:
    from core.view.snapshot import Snapshot


def _named(snapshot: "Snapshot", words: Sequence[str]) -> Alert:
    if (alert := next((alert for alert in snapshot.alerts if alert.fingerprint == words[0]), None)) is None:
        raise NotFoundError(f"There is no alert {words[0]}. Press 5 to see the alerts.")
    return alert


ALERT_WORD = Argument("ALERT", lambda snapshot, _: [alert.fingerprint for alert in snapshot.alerts])
ALERT: Noun[Alert] = Noun(arguments=(ALERT_WORD,), missing="No alert is selected.", find=_named)


class Acknowledge(Change[Alert]):
    """Acknowledge an alert."""

    name = "acknowledge"
    noun = ALERT
    key = Key("K", "acknowledge", "Acknowledge the alert (asks first)")
    command = Command("acknowledge an alert", aliases=("ack",))

    def refusal(self, thing: Alert) -> str | None:
        """Refuse an alert that is not firing."""
        return None if thing.state is AlertState.FIRING else f"This alert is already {thing.state}."

    def offer(self, context: OfferContext, thing: Alert, *options: Any) -> Offer:
        """Offer to put it under the operator's name, in the state shown at the key press."""
        from core.alerts import Alerts

        def commit(_reason: str) -> str:
            Alerts(context.workspace).acknowledge(thing.fingerprint, context.actor, expected_revision=thing.revision)
            return f"Acknowledged {thing.rule}."

        effects = (
            "The alert stays on the list under your name until its condition ends.",
            "Until then it notifies nobody.",
        )
        lines = (
            Line(((f"{thing.severity}  ", "bad"), (thing.rule, "strong"))),
            Line(((thing.summary, ""),)),
            *section("What will happen", effects),
            *section("How to undo it", ("It reopens automatically if it fires after it was resolved.",)),
        )
        return Offer(title="Acknowledge an alert", lines=lines, confirm="Acknowledge", asks_reason=False, commit=commit)
