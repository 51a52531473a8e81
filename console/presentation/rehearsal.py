"""A rehearsal of a policy as lines: what would have been otherwise, how often each kind happened, what is unknown."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from console.presentation.phrases import counted, duration, instant
from core.retraining.rehearsal.documents import RehearsedCount, Would
from widgets.line import Line, section

if TYPE_CHECKING:
    from core.retraining.rehearsal.documents import Rehearsal, RehearsedEvent
    from widgets.glyphs import Glyphs

NOTHING_DIFFERS = "The other policy would have changed nothing."
NOTHING_RECORDED = "Nothing is recorded in this time."


def rehearsal_lines(found: "Rehearsal", glyphs: "Glyphs") -> list[Line]:
    """Write out the counts of each kind, each event that differs or is uncertain, and what is unknown.

    Args:
        found: The rehearsal.
        glyphs: The signs of this terminal.
    """
    events = [event for event in found.events if event.differs or event.would is Would.UNKNOWN]
    n_same = len(found.events) - len(events)
    lines = [Line((("from      ", "muted"), (f"{instant(found.since)} to {instant(found.until)}", "")))]
    if found.recorded_since is not None:
        lines.append(Line((("recorded  ", "muted"), (f"since {instant(found.recorded_since)}", ""))))
    lines += section("How often", [_count(each) for each in found.counts()] or (NOTHING_RECORDED,))
    titled = section("What would have been otherwise", (NOTHING_DIFFERS,))
    lines += titled[:-1] if events else titled
    for event in events:
        lines += _event_lines(event, glyphs)
    if n_same:
        lines += [Line(), Line(((f"{counted(n_same, 'event')} would have been the same.", "muted"),))]
    return lines + section("What is unknown", found.unknown)


def _count(each: RehearsedCount) -> str:
    unknown = f", {each.unknown} unknown" if each.unknown else ""
    costs = bool(each.seconds or each.would_seconds)
    cost = (
        f"; {duration(each.seconds)} computed, {duration(each.would_seconds)} under the other policy" if costs else ""
    )
    return f"{each.kind:<11} {each.happened} happened, {each.would} would have{unknown}{cost}"


def _event_lines(event: "RehearsedEvent", glyphs: "Glyphs") -> Iterator[Line]:
    sign, tone, said = {
        (True, Would.NO): (glyphs.failed, "bad", "happened, would not have"),
        (False, Would.YES): (glyphs.passed, "good", "would have happened"),
    }.get((event.happened, event.would), (glyphs.hollow, "warn", "unknown"))
    yield Line(((f"{instant(event.at)}  ", "muted"), (f"{sign} {event.kind}", tone), (f"  {event.model}", "strong")))
    cost = "" if event.seconds is None else f", {'about ' if event.is_estimate else ''}{duration(event.seconds)}"
    yield Line(((f"  {event.what}: ", ""), (f"{said}{cost}", tone)))
    yield Line(((f"  {event.reason}", "muted"),))
