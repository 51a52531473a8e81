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
        """Whose past it is."""

    @property
    def snapshot(self) -> Snapshot:
        """What is shown now."""

    @property
    def clock(self) -> Clock:
        """The time of day."""

    def show_past(self, snapshot: Snapshot | None) -> None:
        """Show a snapshot of the past, or the present again when there is none."""

    def say(self, text: str, tone: str = "") -> None:
        """Tell the operator something."""

    def run_worker(self, work: Coroutine[Any, Any, None]) -> object:
        """Let a task run beside the screens."""


class Playback:
    """Leads one console from moment to moment. Keys that come while one is read are counted, not lost."""

    def __init__(self, host: PlaybackHost) -> None:
        self._host = host
        self._n_steps = 0
        self._is_reading = False
        self.at: Moment = None
        """The moment that is shown, unless it is the present."""

    @property
    def refusal(self) -> str | None:
        """Why nothing may be changed while the past is shown, or None."""
        return None if self.at is None else "This is the past. p returns to now, where you can act."

    def step(self, n: int) -> None:
        """Go so many moments on, or back when negative."""
        self._n_steps += n
        self._read(lambda past: _walk(past, self.at, self._take_steps(), self._host.clock()))

    def go(self, when: datetime) -> None:
        """Show an instant."""
        self._read(lambda _past: when)

    def leave(self) -> None:
        """Come back to the present."""
        self._n_steps = 0
        self.at = None

    def follow(self, run_id: str | None) -> None:
        """Have the epochs of this run in what is shown."""
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
            past.at(here)  # says where the past begins, if it does not reach so far
            return here
        at = before
    for _ in range(n):
        if at is None:
            break
        at = past.after(at)
    return at


def told(snapshot: Snapshot, *, begins: bool) -> str:
    """Say what had been changed last at a moment of the past.

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
