"""Going back through the recorded past: every screen then shows the workspace as it was, and nothing can be changed."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeAlias

from console.presentation.keys import with_keys
from console.presentation.phrases import BUG
from console.runtime.background import BackgroundHost, in_background
from core.clock import Clock
from core.errors import CoreError
from core.state import Workspace
from core.view.snapshot import Snapshot

if TYPE_CHECKING:
    from core.governance import AuditRecord
    from core.view.past.replay import RecordedPast

log = logging.getLogger("bondx.console")

Moment = datetime | None
"""An instant of the past; None is the present."""
Step = tuple[int, bool]
"""A number of moments, and whether only changes by people count."""
Found = tuple[Moment, str]
"""A moment, and a sentence about it; without a sentence the last change before it is described."""
Find: TypeAlias = "Callable[[RecordedPast], Found]"
_BEFORE = timedelta(microseconds=1)


class PlaybackHost(BackgroundHost, Protocol):
    """The console that shows the past."""

    @property
    def workspace(self) -> Workspace:
        """The workspace whose past is shown."""

    @property
    def snapshot(self) -> Snapshot:
        """The snapshot that is shown."""

    @property
    def clock(self) -> Clock:
        """The time of day."""

    def show_past(self, snapshot: Snapshot | None) -> None:
        """Show a snapshot of the past, or the present again without a snapshot."""

    def say(self, text: str, tone: str = "") -> None:
        """Show the operator a sentence."""


class Playback:
    """Moves one console from moment to moment. Keys pressed while a moment is read wait their turn."""

    def __init__(self, host: PlaybackHost) -> None:
        self._host = host
        self._steps: list[Step] = []
        self._is_reading = False
        self._n_left = 0
        self._around: Mapping[str, int] = {}
        self.at: Moment = None
        """The moment that is shown, unless it is the present."""

    @property
    def refusal(self) -> str | None:
        """The reason why changes are refused while the past is shown, or None."""
        return (
            None
            if self.at is None
            else with_keys("This is the past. {console.freeze} returns to now, where you can act.")
        )

    def step(self, n: int, *, by_people: bool = False) -> None:
        """Go forward by this number of moments, or back if negative.

        Args:
            n: The number of moments; by people: of changes, to just after one, or back to just before one.
            by_people: Only the changes by people count.
        """
        self._steps.append((n, by_people))
        self._read(self._walk)

    def go(self, when: datetime) -> None:
        """Show an instant."""
        self._read(lambda _past: (when, ""))

    def leave(self) -> None:
        """Return to the present; a moment that is still being read is not shown."""
        self._steps.clear()
        self.at = None
        self._n_left += 1

    def follow(self, run_id: str | None) -> None:
        """Include the epochs of this run in the shown snapshot."""
        if self.at is not None and run_id is not None and run_id not in self._host.snapshot.epochs:
            at = self.at
            self._read(lambda _past: (at, ""), follow=(run_id,))

    def look_around(self, run_id: str, epoch: int | None) -> None:
        """Include the page of a run's epochs that has this epoch in the shown snapshot."""
        self._around = {} if epoch is None else {run_id: epoch}
        if self.at is not None:
            at = self.at
            self._read(lambda _past: (at, ""), follow=(run_id,))

    def _walk(self, past: "RecordedPast") -> "Found":
        """Take all waiting steps, and describe the last."""
        at, sentence, now = self.at, "", self._host.clock()
        while self._steps:
            n, by_people = self._steps.pop(0)
            if by_people:
                at, sentence = _step_by_people(past, at, n, now)
            else:
                at, sentence = _walk(past, at, n, now), ""
        return at, sentence

    def _read(self, find: "Find", *, follow: tuple[str, ...] = ()) -> None:
        if not self._is_reading:
            self._is_reading = True
            in_background(self._host, partial(self._show, find, follow))

    async def _show(self, find: "Find", follow: tuple[str, ...]) -> None:
        n_left = self._n_left
        try:
            snapshot, sentence = await asyncio.to_thread(self._look, find, follow)
        except CoreError as error:
            self._steps.clear()
            self._host.say(str(error), "warn")
        except Exception:
            self._steps.clear()
            log.exception("The past could not be shown.")
            self._host.say(BUG, "bad")
        else:
            if n_left == self._n_left:
                self.at = snapshot.taken_at if snapshot else None
                self._host.show_past(snapshot)
                if not follow:
                    self._host.say(sentence)
        finally:
            self._is_reading = False
        if self._steps:
            self._read(self._walk)

    def _look(self, find: "Find", follow: tuple[str, ...]) -> tuple[Snapshot | None, str]:
        from core.view.past.replay import RecordedPast

        past = RecordedPast(self._host.workspace)
        when, sentence = find(past)
        if when is None:
            return None, sentence or "This is now."
        snapshot = past.at(when, follow=follow, around=self._around)
        return snapshot, sentence or last_change(snapshot, begins=past.before(when) is None)


def _walk(past: "RecordedPast", start: Moment, n: int, now: datetime) -> Moment:
    """Go from moment to moment; the first step back from the present goes before the newest change."""
    at = start
    for _ in range(-n):
        here = at or past.before(now) or now
        if (before := past.before(here)) is None:
            past.at(here)  # says where the past begins, if it does not reach that far
            return here
        at = before
    for _ in range(n):
        if at is None:
            break
        at = past.after(at)
    return at


def _step_by_people(past: "RecordedPast", start: Moment, n: int, now: datetime) -> "Found":
    """Go to just before the previous change by a person, or to just after the next one."""
    here = start or now
    change = past.change_before(here) if n < 0 else past.change_after(here)
    if change is None:
        return (start, "No earlier change by a person is recorded.") if n < 0 else (None, "This is now.")
    moment = past.moment_with(change)
    if n > 0:
        return moment, f"after {spelled(change)}" if moment else ""
    before = past.before(moment or now)
    if before is None:
        past.at(change.at - _BEFORE)  # says where the past begins
        return moment, "; ".join((f"after {spelled(change)}", "the recorded past begins here"))
    return before, f"before {spelled(change)}"


def last_change(snapshot: Snapshot, *, begins: bool) -> str:
    """Describe the last change before a moment of the past.

    Args:
        snapshot: The workspace as it was.
        begins: Whether nothing earlier is recorded.
    """
    words = list(snapshot.problems)
    if snapshot.audit:
        words.append(spelled(snapshot.audit[0]))
    if begins:
        words.append("the recorded past begins here")
    return "; ".join(words)


def spelled(change: "AuditRecord") -> str:
    """Describe a change in one line: when, who, what and why."""
    why = f": {change.reason}" if change.reason else ""
    return f"{change.at:%H:%M:%S} UTC  {change.actor.partition('@')[0]} {change.verb} {change.object}{why}"
