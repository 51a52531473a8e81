"""Going back through the recorded past: every screen then shows the workspace as it was, and nothing can be changed."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from core.clock import Clock
from core.errors import CoreError
from core.state import Workspace
from core.view.snapshot import Snapshot

if TYPE_CHECKING:
    from core.view.past.replay import RecordedPast

log = logging.getLogger("bondx.console")

Moment = datetime | None
"""An instant of the past; None is the present."""


class PlaybackHost(Protocol):
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

    def run_worker(self, work: Coroutine[Any, Any, None]) -> object:
        """Run a task beside the screens."""


class Playback:
    """Moves one console from moment to moment. Keys pressed while a moment is read are counted, not lost."""

    def __init__(self, host: PlaybackHost) -> None:
        self._host = host
        self._n_steps = 0
        self._is_reading = False
        self.at: Moment = None
        """The moment that is shown, unless it is the present."""

    @property
    def refusal(self) -> str | None:
        """The reason why changes are refused while the past is shown, or None."""
        return None if self.at is None else "This is the past. p returns to now, where you can act."

    def step(self, n: int) -> None:
        """Go forward by this number of moments, or back if negative."""
        self._n_steps += n
        self._read(lambda past: _walk(past, self.at, self._take_steps(), self._host.clock()))

    def go(self, when: datetime) -> None:
        """Show an instant."""
        self._read(lambda _past: when)

    def leave(self) -> None:
        """Return to the present."""
        self._n_steps = 0
        self.at = None

    def follow(self, run_id: str | None) -> None:
        """Include the epochs of this run in the shown snapshot."""
        if self.at is not None and run_id is not None and run_id not in self._host.snapshot.epochs:
            at = self.at
            self._read(lambda _past: at, follow=(run_id,))

    def _take_steps(self) -> int:
        n, self._n_steps = self._n_steps, 0
        return n

    def _read(self, find: "Callable[[RecordedPast], Moment]", *, follow: tuple[str, ...] = ()) -> None:
        if not self._is_reading:
            self._is_reading = True
            self._host.run_worker(self._show(find, follow))

    async def _show(self, find: "Callable[[RecordedPast], Moment]", follow: tuple[str, ...]) -> None:
        try:
            snapshot, sentence = await asyncio.to_thread(self._look, find, follow)
        except CoreError as error:
            self._n_steps = 0
            self._host.say(str(error), "warn")
        except Exception:
            self._n_steps = 0
            log.exception("The past could not be shown.")
            self._host.say("A bug in bondx stopped this; see logs/console.log.", "bad")
        else:
            self.at = snapshot.taken_at if snapshot else None
            self._host.show_past(snapshot)
            if not follow:
                self._host.say(sentence)
        finally:
            self._is_reading = False
        if self._n_steps:
            self.step(0)

    def _look(self, find: "Callable[[RecordedPast], Moment]", follow: tuple[str, ...]) -> tuple[Snapshot | None, str]:
        from core.view.past.replay import RecordedPast

        past = RecordedPast(self._host.workspace)
        when = find(past)
        if when is None:
            return None, "This is now."
        snapshot = past.at(when, follow=follow)
        return snapshot, told(snapshot, begins=past.before(when) is None)


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


def told(snapshot: Snapshot, *, begins: bool) -> str:
    """Describe the last change before a moment of the past.

    Args:
        snapshot: The workspace as it was.
        begins: Whether nothing earlier is recorded.
    """
    words = list(snapshot.problems)
    if snapshot.audit:
        newest = snapshot.audit[0]
        why = f": {newest.reason}" if newest.reason else ""
        words.append(f"{newest.at:%H:%M:%S} UTC  {newest.actor.partition('@')[0]} {newest.verb} {newest.object}{why}")
    if begins:
        words.append("the recorded past begins here")
    return "; ".join(words)
