"""Verbs about alerts: acknowledge, resolve; one alert, or all that are marked."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from console.presentation.keys import sign_of
from console.presentation.offer import AskAgainError, Offer, told_first
from console.presentation.phrases import counted
from console.verbs.chosen import Chosen
from console.verbs.offer import OfferContext
from console.verbs.silence import DURATIONS, USUAL_DURATION, choice_line, following_duration, silence_instead
from console.verbs.verb import Argument, Change, Command, Key, Noun, ScreenAction
from core.actor import Actor
from core.alerts import Alert, AlertState, Severity
from core.errors import ConflictError, NotFoundError, UsageError
from widgets.line import Line, section

if TYPE_CHECKING:
    from core.alerts import Alerts
    from core.view.snapshot import Snapshot


def _named(snapshot: "Snapshot", words: Sequence[str]) -> Chosen[Alert]:
    found = [alert for alert in snapshot.alerts if words[0] in (alert.fingerprint, alert.full_name)]
    found = found or [alert for alert in snapshot.alerts if words[0] in (alert.name, alert.brief_name)]
    if not found:
        raise NotFoundError(f"There is no alert {words[0]}. Press 5 to see the alerts.")
    if len(found) > 1:
        raise UsageError(f"{len(found)} alerts have the name {words[0]}. Press Tab to complete one with its labels.")
    return Chosen(things=tuple(found))


def _names(snapshot: "Snapshot", before: Sequence[str]) -> list[str]:
    """Name the alerts by rule and labels, which people know, and then by fingerprint."""
    names = [alert.full_name for alert in snapshot.alerts if not any(map(str.isspace, alert.full_name))]
    return [*names, *(alert.fingerprint for alert in snapshot.alerts)]


ALERT_WORD = Argument("ALERT", _names)
ALERT: Noun[Chosen[Alert]] = Noun(
    group="alerts", arguments=(ALERT_WORD,), missing="No alert is under the cursor.", find=_named
)
"""The marked alerts that are shown, or the alert under the cursor."""
MARK_ALERT = ScreenAction(
    "mark",
    Key("space", "mark", "Mark an alert, to decide about several together; Esc clears the marks", sign="Space"),
    noun=ALERT,
    on=("alerts",),
)
MARK_ALL_ALERTS = ScreenAction(
    "mark_all",
    Key("asterisk", "mark all", "Mark every open alert shown, for example those of a filter; again: none", sign="*"),
    noun=ALERT,
    on=("alerts",),
)

GROUP_ALERTS = ScreenAction(
    "group",
    Key("b", "", "Group the alerts by model, by rule, by severity, at last not at all"),
    noun=ALERT,
    on=("alerts",),
)


FEW_ALERTS = 5
"""So many are named with their summaries; more would be screens of text that nobody reads before confirming."""
NAMED_MODELS = 3


def named_alerts(group: Sequence[Alert]) -> list[Line]:
    """Name alerts, the most severe first: a few each by itself, more by rule, with their number.

    Args:
        group: The alerts.
    """
    if len(group) <= FEW_ALERTS:
        return [
            line
            for alert in group
            for line in (
                Line(((f"{alert.severity}  ", "bad"), (alert.brief_name, "strong"))),
                Line(((alert.summary, ""),)),
            )
        ]
    by_rule: dict[tuple[Severity, str], list[Alert]] = {}
    for alert in group:
        by_rule.setdefault((alert.severity, alert.name), []).append(alert)
    found = []
    for (severity, name), alerts in sorted(
        by_rule.items(), key=lambda each: (-each[0][0].rank, -len(each[1]), each[0])
    ):
        models = sorted({alert.labels["model"] for alert in alerts if "model" in alert.labels})
        more = f" and {len(models) - NAMED_MODELS} more" if len(models) > NAMED_MODELS else ""
        of = f" of {', '.join(models[:NAMED_MODELS])}{more}" if models else ""
        found.append(Line(((f"{severity}  ", "bad"), (name, "strong"), (f"  {counted(len(alerts), 'alert')}{of}", ""))))
    return found


class AlertDecision(Change[Chosen[Alert]]):
    """A decision about alerts, in the state shown at the key press. Those that it does not suit are left out."""

    noun = ALERT
    confirm: str
    participle: str

    def refuses(self, alert: Alert) -> str | None:
        """Return the reason why an alert does not allow it, or None."""
        raise NotImplementedError

    def effects(self, group: Sequence[Alert]) -> tuple[str, ...]:
        """Describe the consequences."""
        raise NotImplementedError

    def way_back(self, group: Sequence[Alert]) -> str:
        """Say how to undo it, or that nothing does."""
        raise NotImplementedError

    def carry_out(self, alerts: "Alerts", seen: Mapping[str, int], actor: Actor, reason: str) -> object:
        """Decide about all alerts or none, by their fingerprints and the revisions that were shown."""
        raise NotImplementedError

    def refusal(self, thing: Chosen[Alert]) -> str | None:
        """Refuse if it suits none of the alerts."""
        refusals = [self.refuses(alert) for alert in thing.things]
        return None if not refusals or None in refusals else refusals[0]

    def offer(self, context: OfferContext, thing: Chosen[Alert], *options: Any) -> Offer:
        """Offer it for every alert that it suits."""
        from core.alerts import Alerts
        from core.alerts.together import NoneChangedError
        from core.state import StaleRevisionError

        alerts = Alerts(context.workspace)
        group = tuple(alert for alert in thing.things if self.refuses(alert) is None)
        done: list[Alert] = []

        def commit(reason: str) -> str:
            seen = {alert.fingerprint: alert.revision for alert in group}
            try:
                self.carry_out(alerts, seen, context.actor, reason)
            except (ConflictError, NoneChangedError) as error:
                news = [f"{error.news}."] if isinstance(error, StaleRevisionError) else str(error).splitlines()
                news = error.reasons if isinstance(error, NoneChangedError) else news
                raise AskAgainError(str(error), lambda: self._again(context, thing, options, news)) from error
            done.extend(group)
            names = [alert.brief_name for alert in group]
            told = ", ".join(names) if len(names) <= FEW_ALERTS else counted(len(names), "alert")
            return f"{self.participle} {told}."

        refused = [(alert, self.refuses(alert)) for alert in thing.things if alert not in group]
        left_out = [f"{alert.brief_name}: {why}" for alert, why in refused]
        if len(left_out) > FEW_ALERTS:
            reasons = Counter(why for _, why in refused)
            left_out = [f"{counted(n, 'alert')}: {why}" for why, n in reasons.most_common()]
        is_one = len(group) == 1 and not thing.are_marked
        return Offer(
            title=f"{self.confirm} {'an alert' if is_one else thing.counted('alert', len(group))}",
            lines=(
                *named_alerts(group),
                *thing.spared_lines(),
                *section("Left out", left_out),
                *section("What will happen", self.effects(group)),
                *section("How to undo it", (self.way_back(group),)),
            ),
            confirm=self.confirm,
            commit=commit,
            settle=lambda: thing.end(done),
        )

    def _again(self, context: OfferContext, thing: Chosen[Alert], options: Sequence[Any], news: Sequence[str]) -> Offer:
        """Ask again about the alerts as they are now, which others have decided about since the question."""
        from core.alerts import Alerts

        known = {alert.fingerprint: alert for alert in Alerts(context.workspace).all()}
        things = tuple(known[alert.fingerprint] for alert in thing.things if alert.fingerprint in known)
        now = replace(thing, things=things)
        refusal = self.refusal(now) if things else "These alerts are gone."
        if refusal is not None:
            return told_first(Offer(title=f"{self.confirm} an alert", lines=(), refusal=refusal), news)
        return told_first(self.offer(context, now, *options), news)


class Acknowledge(AlertDecision):
    """Acknowledge alerts."""

    name = "acknowledge"
    key = Key("K", "acknowledge", "Acknowledge the alert, or the marked alerts (asks first)")
    command = Command("acknowledge an alert", aliases=("ack",))
    confirm, participle = "Acknowledge", "Acknowledged"

    def refuses(self, alert: Alert) -> str | None:
        """Refuse an alert that is not firing."""
        return None if alert.state is AlertState.FIRING else f"This alert is already {alert.state}."

    def effects(self, group: Sequence[Alert]) -> tuple[str, ...]:
        """Describe the acknowledgement, which lasts as long as the alert."""
        return (
            "It stays on the list under your name until it ends or is resolved."
            if len(group) == 1
            else "They stay on the list under your name until they end or are resolved.",
            "Receivers that heard of it hear that you took it; webhooks do not."
            if len(group) == 1
            else "Receivers that heard of them hear that you took them; webhooks do not.",
            f"After that, they hear only when {'it ends' if len(group) == 1 else 'they end'}.",
        )

    def way_back(self, group: Sequence[Alert]) -> str:
        """Say what makes an acknowledged alert notify again."""
        objects = "the alert" if len(group) == 1 else "the alerts"
        return f"No undo: {sign_of('alerts.resolve')} resolves {objects}; a later firing notifies again."

    def carry_out(self, alerts: "Alerts", seen: Mapping[str, int], actor: Actor, reason: str) -> object:
        """Acknowledge them."""
        return alerts.acknowledge_all(tuple(seen), actor, seen, reason=reason)


DURATION_WORD = Argument("FOR", lambda _snapshot, _before: DURATIONS)


class Snooze(AlertDecision):
    """Put alerts off for a time."""

    name = "snooze"
    key = Key(
        "Z", "snooze", "Snooze the alert or the marked alerts, or silence their labels (asks first, and for how long)"
    )
    command = Command("keep an alert's notifications back for a time: 30m, 2h, 1d", options=(DURATION_WORD,))
    confirm, participle = "Snooze", "Snoozed"

    def __init__(self, until: datetime = datetime.min) -> None:
        self._until = until

    def refuses(self, alert: Alert) -> str | None:
        """Refuse an alert that is resolved."""
        return None if alert.state.is_open else f"This alert is already {alert.state}."

    def offer(self, context: OfferContext, thing: Chosen[Alert], *options: Any) -> Offer:
        """Offer it for one length; the right arrow asks about the next."""
        from core.clock import read_duration, utc_now

        length = options[0] if options else USUAL_DURATION
        until = utc_now() + read_duration(length)
        offer = super(Snooze, type(self)(until)).offer(context, thing, length)
        return replace(
            offer,
            lines=(choice_line(length, until, "silence by labels"), Line(), *offer.lines),
            another=lambda: self.offer(context, thing, following_duration(length)),
            other=lambda: silence_instead(context, thing, lambda: self.offer(context, thing, length)),
        )

    def effects(self, group: Sequence[Alert]) -> tuple[str, ...]:
        """Describe the snooze."""
        if len(group) == 1:
            return ("Until then it notifies nobody, even if it ends and fires again. It stays on the list.",)
        return ("Until then they notify nobody, even if they end and fire again. They stay on the list.",)

    def way_back(self, group: Sequence[Alert]) -> str:
        """Say what ends a snooze."""
        return "The snooze ends by itself; another snooze replaces its end."

    def carry_out(self, alerts: "Alerts", seen: Mapping[str, int], actor: Actor, reason: str) -> object:
        """Snooze them."""
        return alerts.snooze_all(tuple(seen), actor, self._until, seen, reason=reason)


class CommentOn(AlertDecision):
    """Write a comment to alerts."""

    name = "comment"
    command = Command("write a comment to an alert", options=(Argument("TEXT", takes_rest=True),), n_required=1)
    confirm, participle = "Comment", "Commented on"

    def __init__(self, text: str = "") -> None:
        self._text = text

    def refuses(self, alert: Alert) -> str | None:
        """Refuse no alert."""
        return None

    def offer(self, context: OfferContext, thing: Chosen[Alert], *options: Any) -> Offer:
        """Offer to write the text."""
        offer = super(CommentOn, type(self)(options[0])).offer(context, thing, *options)
        return replace(offer, title=offer.title.replace("Comment", "Comment on", 1), asks_reason=False)

    def effects(self, group: Sequence[Alert]) -> tuple[str, ...]:
        """Show the comment."""
        return (f"Everybody reads at the {'alert' if len(group) == 1 else 'alerts'}: {self._text}",)

    def way_back(self, group: Sequence[Alert]) -> str:
        """Say that it stays."""
        return "A comment stays; write another comment to correct it."

    def carry_out(self, alerts: "Alerts", seen: Mapping[str, int], actor: Actor, reason: str) -> object:
        """Write it to them; whatever was decided since takes nothing from a comment."""
        return alerts.comment_all(tuple(seen), actor, self._text)


class Resolve(AlertDecision):
    """Resolve alerts by hand."""

    name = "resolve"
    key = Key("X", "resolve", "Resolve the alert, or the marked alerts, by hand (asks first)")
    command = Command("resolve an alert by hand")
    confirm, participle = "Resolve", "Resolved"

    def refuses(self, alert: Alert) -> str | None:
        """Refuse an alert that is resolved."""
        return None if alert.state.is_open else f"This alert is already {alert.state}."

    def effects(self, group: Sequence[Alert]) -> tuple[str, ...]:
        """Say what makes the alerts fire again: it differs between conditions, events and alerts from elsewhere."""
        from core.alerts.returning import Returning, returning_of

        by_return = {kind: [alert.brief_name for alert in group if returning_of(alert) is kind] for kind in Returning}
        by_return = {kind: names for kind, names in by_return.items() if names}
        if len(by_return) == 1:  # whose names stand above
            return tuple(f"{'It fires' if len(group) == 1 else 'They fire'} again {kind}." for kind in by_return)
        return tuple(
            f"{'Fires' if len(names) == 1 else 'Fire'} again {kind}: {', '.join(names)}."
            for kind, names in by_return.items()
        )

    def way_back(self, group: Sequence[Alert]) -> str:
        """Say that only a firing opens it again."""
        opens = "A resolved alert opens" if len(group) == 1 else "Resolved alerts open"
        return f"Nothing does. {opens} again only by firing; the audit log keeps your reason."

    def carry_out(self, alerts: "Alerts", seen: Mapping[str, int], actor: Actor, reason: str) -> object:
        """Resolve them."""
        return alerts.resolve_all(tuple(seen), actor, seen, reason=reason)
