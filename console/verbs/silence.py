"""Verbs about silences: make one by matchers or for the alerts of the list, show all, end one."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from console.presentation.offer import Offer
from console.presentation.phrases import counted, instant
from console.verbs.chosen import Chosen
from console.verbs.offer import OfferContext
from console.verbs.verb import Argument, Change, Command, Key, Noun, Verb
from core.alerts import Alert, AlertState
from core.errors import NotFoundError, UsageError
from widgets.line import Line, Span, section

if TYPE_CHECKING:
    from console.context import ConsoleControls
    from core.alerts.selecting import AlertMatcher
    from core.alerts.silences import Silence
    from core.view.snapshot import Snapshot

DURATIONS = ("30m", "1h", "2h", "4h", "8h", "1d", "3d", "1w")
"""The lengths that the dialogs of a snooze and a silence offer, one after the other."""
USUAL_DURATION = "2h"
EVERYTHING = "everything"
"""Typed to confirm a silence that spares no alert."""
_SPOKEN = re.compile(r"(?P<matchers>.+?)\s+for\s+(?P<length>[0-9][0-9wdhms]*)(?:\s+(?P<comment>.+))?")
_MOST_NAMED = 8


def following_duration(length: str) -> str:
    """Return the length that the right arrow offers after another one.

    >>> following_duration("2h"), following_duration("1w"), following_duration("90m")
    ('4h', '30m', '30m')
    """
    return DURATIONS[(DURATIONS.index(length) + 1) % len(DURATIONS)] if length in DURATIONS else DURATIONS[0]


def choice_line(length: str, until: datetime, otherwise: str) -> Line:
    """Say until when it lasts, and which keys choose otherwise."""
    spans: list[Span] = [
        (f"For {length}", "strong"),
        (f", until {instant(until)}. ", ""),
        ("Right", "key"),
        (f": {following_duration(length)}. ", "muted"),
        ("Left", "key"),
        (f": {otherwise}", "muted"),
    ]
    return Line(tuple(spans if otherwise else spans[:4]))


def silence_offer(
    context: OfferContext,
    groups: "Sequence[Sequence[AlertMatcher]]",
    length: str,
    *,
    comment: str = "",
    chosen: Chosen[Alert] | None = None,
) -> Offer:
    """Offer to make silences, one for each group of matchers; all of them or none are made.

    One that spares no alert is made only after a word was typed.

    Args:
        context: The state it is made from.
        groups: The matchers of each silence.
        length: How long they last.
        comment: Why; without one, the dialog requires it.
        chosen: The alerts whose marks end with it.

    Raises:
        UsageError: The length, the comment or a matcher cannot be used.
    """
    from core.alerts import Alerts
    from core.alerts.silences import Silences
    from core.alerts.silences.silence import spelled
    from core.alerts.silences.usable import hides_everything, require_comment, require_matchers, require_times
    from core.clock import read_duration, utc_now

    now = utc_now()
    until = now + read_duration(length)
    require_times(now, until)
    for group in groups:
        require_matchers(group, everything=True)
    if comment:
        require_comment(comment)
    is_of_all = any(map(hides_everything, groups))
    silences, open_alerts = Silences(context.workspace), Alerts(context.workspace).open()
    hidden = {alert.fingerprint: alert for group in groups for alert in silences.hidden(group, open_alerts)}
    n_firing = sum(alert.state is AlertState.FIRING for alert in hidden.values())
    done: list[Sequence[AlertMatcher]] = []

    def commit(reason: str) -> str:
        silences.add_all(groups, context.actor, comment=comment or reason, ends_at=until, everything=is_of_all)
        done.extend(groups)
        return f"Silenced {counted(len(hidden), 'open alert')} until {instant(until)}."

    named = [f"{alert.severity} {alert.name}: {alert.summary}" for alert in list(hidden.values())[:_MOST_NAMED]]
    if len(hidden) > _MOST_NAMED:
        named.append(f"and {counted(len(hidden) - _MOST_NAMED, 'more alert')}")
    matchers = [Line(((spelled(group), "strong"),)) for group in groups]
    facts = [Line((("author   ", "muted"), (str(context.actor), "")))]
    if comment:
        facts.append(Line((("comment  ", "muted"), (comment, ""))))
    return Offer(
        title="Silence alerts by their labels",
        lines=(
            choice_line(length, until, "snooze" if chosen is not None else ""),
            Line(),
            *matchers,
            *facts,
            *(chosen.spared_lines() if chosen is not None else ()),
            *section(f"Hides {counted(n_firing, 'firing alert')} now", named or ("none",)),
            *section("What will happen", ("Until then no alert with these labels notifies anybody.",)),
            *([Line((("These matchers spare no alert: nobody hears of anything.", "warn"),))] if is_of_all else ()),
            *section("How to undo it", (":expire SILENCE ends it before its time; :silences lists them.",)),
        ),
        confirm="Silence",
        typed=EVERYTHING if is_of_all else None,
        asks_reason=not comment,
        needs_reason=not comment,
        reason_words="comment: why (required, everybody reads it)",
        commit=commit,
        another=lambda: silence_offer(context, groups, following_duration(length), comment=comment, chosen=chosen),
        settle=(lambda: chosen.end(chosen.things if done else ())) if chosen is not None else None,
    )


def matchers_of(alert: Alert) -> "tuple[AlertMatcher, ...]":
    """Return matchers that hide an alert and whatever has the same rule and labels, at any severity."""
    from core.alerts.selecting import AlertMatcher

    labels = {name: value for name, value in alert.routing_labels.items() if name != "severity"}
    return tuple(AlertMatcher(name, "=", value) for name, value in sorted(labels.items()))


def silence_instead(context: OfferContext, chosen: Chosen[Alert], snooze: "Any") -> Offer:
    """Offer to silence alerts by their labels, in place of snoozing them; the left arrow goes back.

    Args:
        context: The state it is made from.
        chosen: The alerts.
        snooze: Looks up the offer to snooze them.
    """
    groups = tuple(dict.fromkeys(matchers_of(alert) for alert in chosen.things))
    return _with_way_back(silence_offer(context, groups, USUAL_DURATION, chosen=chosen), snooze)


def _with_way_back(offer: Offer, snooze: "Any") -> Offer:
    following = offer.another
    assert following is not None
    return replace(offer, other=snooze, another=lambda: _with_way_back(following(), snooze))


class SilenceByMatchers(Change[None]):
    """Silence alerts by matchers, as typed."""

    name = "silence"
    command = Command(
        'keep alerts from notifying by their labels: severity="warning", model=~"spr.*" for 2h COMMENT',
        options=(Argument("MATCHERS for 2h COMMENT", takes_rest=True),),
        n_required=1,
    )

    def offer(self, context: OfferContext, thing: None, *options: Any) -> Offer:
        """Offer it.

        Raises:
            UsageError: The line does not have the form, or a part of it cannot be used.
        """
        from core.alerts.selecting import read_matchers

        found = _SPOKEN.fullmatch(str(options[0]).strip())
        if found is None:
            raise UsageError('Usage: :silence MATCHERS for 2h COMMENT, such as :silence model="spread" for 2h repair.')
        groups = (read_matchers(found["matchers"]),)
        return silence_offer(context, groups, found["length"], comment=found["comment"] or "")


def _find(snapshot: "Snapshot", words: Sequence[str]) -> "Silence":
    for silence in snapshot.silences:
        if silence.silence_id == words[0]:
            return silence
    raise NotFoundError(f"There is no silence {words[0]}. Type :silences to see them.")


def _not_over(snapshot: "Snapshot", _before: Sequence[str]) -> list[str]:
    return [silence.silence_id for silence in snapshot.silences if not silence.is_over(snapshot.taken_at)]


SILENCE: "Noun[Silence]" = Noun(group="silences", arguments=(Argument("SILENCE", _not_over),), find=_find)


class Expire(Change["Silence"]):
    """End a silence before its time."""

    name = "expire"
    noun = SILENCE
    command = Command("end a silence now")

    def offer(self, context: OfferContext, thing: "Silence", *options: Any) -> Offer:
        """Offer it, with what is heard again."""
        from core.alerts import Alerts
        from core.alerts.silences import Silences

        silences = Silences(context.workspace)
        hidden = [alert for alert in Alerts(context.workspace).open() if thing.hides(alert)]
        firing = [f"{alert.name}: {alert.summary}" for alert in hidden if alert.state is AlertState.FIRING]

        def commit(reason: str) -> str:
            silences.expire(thing.silence_id, context.actor, reason=reason)
            return f"Expired {thing.silence_id}."

        named = firing[:_MOST_NAMED]
        if len(firing) > _MOST_NAMED:
            named.append(f"and {counted(len(firing) - _MOST_NAMED, 'more alert')}")
        return Offer(
            title=f"Expire {thing.silence_id}",
            lines=(
                Line(((thing.matcher_text, "strong"),)),
                Line(((f"until {instant(thing.ends_at)}, by {thing.created_by}: {thing.comment}", ""),)),
                *section(f"Hides {counted(len(firing), 'firing alert')} now", named or ("none",)),
                *section("What will happen", ("It hides nothing any more: what fires notifies its receivers.",)),
                *section("How to undo it", ("Make another silence (:silence).",)),
            ),
            confirm="Expire",
            commit=commit,
        )


class ListSilences(Verb[None]):
    """Show the silences with when each ends and what it hides."""

    name = "silences"
    key = Key("z", "silences", "Show the silences: when each ends and what it hides; :expire SILENCE ends one")
    command = Command("the silences: when each ends, and what it hides now")
    on = ("alerts",)

    def do(self, app: "ConsoleControls", thing: None, *options: Any) -> None:
        """Open the list; matching thousands of alerts takes its time, so a thread does it."""
        from console.dialogs.text import TextDialog
        from console.presentation.silences import silence_lines

        snapshot, now = app.snapshot, app.now()
        app.push_screen(TextDialog("Silences", lambda: silence_lines(snapshot.silences, snapshot.alerts, now)))
