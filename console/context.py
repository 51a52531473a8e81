"""What the parts of the console know of the app they live in: these few members, and not the app itself.

Dialogs know a `ConsoleContext`, screens a `ScreenContext`, and what acts for the operator (keys, commands) a
`ConsoleControls`. `BondxApp` is all three; nothing but what starts the console names it.
"""

from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from typing import Any, Protocol

from textual.screen import Screen

from console.presentation.offer import Offer
from console.presentation.status import Circumstances
from console.presentation.write_access import WriteAccess
from console.runtime.engine_host import EngineHost
from console.runtime.playback import Playback
from core.actor import Actor
from core.clock import Clock
from core.settings import Settings
from core.state import Workspace
from core.view.snapshot import Snapshot
from widgets.glyphs import Glyphs


class ShownScreen(Protocol):
    """The screen below any dialog, as far as others may use it."""

    def show_row(self, key: str) -> None:
        """Put the cursor on a row."""

    def action_help(self) -> None:
        """Explain the keys of the screen."""


class CommandEntry(Protocol):
    """What stands behind the `:` line, wherever it is typed."""

    history: list[str]

    def complete(self, line: str) -> Sequence[str]:
        """Return what a line may go on to."""

    def run(self, line: str) -> None:
        """Carry a line out; what is wrong with it is shown, not raised."""


class ConsoleContext(Protocol):
    """What a dialog knows of the console, and whatever finds the way to another screen."""

    @property
    def workspace(self) -> Workspace:
        """The workspace that is shown."""

    @property
    def settings(self) -> Settings:
        """How the console looks; the alert limits."""

    @property
    def glyphs(self) -> Glyphs:
        """The signs this terminal can show."""

    @property
    def snapshot(self) -> Snapshot:
        """What is shown: the newest snapshot, the frozen one, or one of the past."""

    @property
    def actor(self) -> Actor:
        """Who asks for changes."""

    @property
    def monotonic(self) -> Callable[[], float]:
        """Seconds that never jump."""

    def now(self) -> datetime:
        """Return the instant by which what is shown is judged: the present, or the moment of the past."""

    def say(self, text: str, tone: str = "") -> None:
        """Tell the operator something on the screen that is shown."""

    def copy(self, text: str) -> None:
        """Put a text on the operator's clipboard, or show it where no clipboard takes it."""

    def push_screen(self, screen: Screen[Any], callback: Callable[[Any], None] | None = None) -> object:
        """Open a dialog; the callback gets its answer."""

    async def action_go(self, name: str) -> None:
        """Show a screen."""


class ScreenContext(ConsoleContext, Protocol):
    """What a screen knows beyond that: where its snapshots come from, and the keys that work everywhere."""

    @property
    def commands(self) -> CommandEntry:
        """The command line."""

    def circumstances(self) -> Circumstances:
        """Return what the top line says beside the snapshot."""

    def silence(self) -> float:
        """Return for how many seconds the workspace has not been looked at."""

    def sample_silence(self) -> float:
        """Return for how many seconds the machine has not been sampled."""

    def follow(self, run_id: str | None) -> None:
        """Have the epochs of this run in the snapshots."""

    def look_at_runs(self, wanted: bool) -> None:
        """Have the tracked runs in the snapshots while a screen shows them."""

    def call_next(self, callback: Callable[..., Any], *args: Any) -> object:
        """Call back once the present message has been handled."""


class ConsoleControls(ScreenContext, Protocol):
    """What keys and commands know beyond that: the engine, the tasks and the switches of the console."""

    theme: str

    @property
    def standing(self) -> WriteAccess:
        """Whether writes are armed."""

    @property
    def host(self) -> EngineHost:
        """The engine in this console."""

    @property
    def newest(self) -> Snapshot:
        """The newest snapshot, whatever a frozen screen shows."""

    @property
    def has_engine(self) -> bool:
        """Whether some engine works on the workspace now, whatever a frozen screen shows."""

    @property
    def frozen_at(self) -> datetime | None:
        """When the screen was frozen, or the moment of the past that is shown."""

    @property
    def clock(self) -> Clock:
        """The time of day."""

    def shown_screen(self) -> ShownScreen | None:
        """Return the screen below any dialog, if there is one already."""

    def send(self, sequence: str) -> None:
        """Send an escape sequence to the terminal."""

    def run_worker(self, work: Coroutine[Any, Any, None]) -> object:
        """Let a task run beside the screens."""

    def call_after_refresh(self, callback: Callable[..., Any], *args: Any) -> object:
        """Call back once the screens have been drawn."""

    @property
    def playback(self) -> Playback:
        """The way through the recorded past."""

    @property
    def refusal(self) -> str | None:
        """Why nothing may be changed now, or None when it may."""

    def toggle_arm(self) -> None:
        """Arm or disarm writes."""

    def toggle_freeze(self) -> None:
        """Freeze the screen, or let it go on; from the past this leads back to now."""

    def leave(self) -> None:
        """Leave the console."""

    def offer(self, look: Callable[[], Offer], *, then: Callable[[], object] | None = None) -> None:
        """Open the dialog of a change.

        Args:
            look: Looks the change up; it runs in a thread.
            then: What follows once the change has been carried out.
        """
