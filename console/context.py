"""The few members of the app that the parts of the console may use, instead of the app itself.

Dialogs know a `ConsoleContext`, screens a `ScreenContext`, and keys and commands a `ConsoleControls`. `BondxApp`
is all three; only the module that starts the console names it.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from textual.screen import Screen

from console.presentation.offer import Offer
from console.presentation.status import Circumstances
from console.presentation.write_access import WriteAccess
from console.runtime.background import BackgroundHost
from console.runtime.engine_host import EngineHost
from console.runtime.jumps import ScreenPlace
from console.runtime.own_rights import OwnRights
from console.runtime.playback import Playback
from console.runtime.preferences import UserPreferences
from core.actor import Actor
from core.clock import Clock
from core.settings import Settings
from core.state import Workspace
from core.view.snapshot import Snapshot
from widgets.glyphs import Glyphs
from widgets.live_table import LiveTable

if TYPE_CHECKING:
    from core.saved_views import ViewPane


class ShownScreen(Protocol):
    """The part of a screen that others may use."""

    def show_row(self, key: str) -> None:
        """Put the cursor on a row."""

    def shown_table(self) -> LiveTable:
        """Return the list in focus if it has columns to choose from, else the main list."""

    def name_of(self, table: LiveTable) -> str:
        """Name a list, to remember choices for it; "" where none are remembered."""

    def panes_to_save(self) -> "tuple[ViewPane, ...]":
        """Return the lists of this screen as panes of a view."""

    def refresh_all(self) -> None:
        """Show the present snapshot, the status and the keys."""

    def place(self) -> ScreenPlace:
        """Return where the operator is: the list in focus and the row under its cursor."""

    def return_to(self, place: ScreenPlace) -> None:
        """Put the focus and the cursor where they were when the place was left."""

    def action_help(self) -> None:
        """Explain the keys of the screen."""


class CommandEntry(Protocol):
    """The logic behind the `:` line."""

    history: list[str]
    filters: list[str]

    def complete(self, line: str) -> Sequence[str]:
        """Return the completions of a line."""

    def run(self, line: str) -> None:
        """Carry out a line; errors are shown, not raised."""


class KeysOfVerbs(Protocol):
    """The keys, as the settings have them."""

    def key_of(self, verb: Any, /) -> Any:
        """Return the key of a verb, as bound and as shown."""


class ConsoleContext(Protocol):
    """The part of the console that dialogs and navigation may use."""

    @property
    def workspace(self) -> Workspace:
        """The workspace that is shown."""

    @property
    def settings(self) -> Settings:
        """The console's look and the alert limits."""

    @property
    def glyphs(self) -> Glyphs:
        """The signs this terminal can show."""

    @property
    def snapshot(self) -> Snapshot:
        """The shown snapshot: the newest, the frozen one, or one of the past."""

    @property
    def actor(self) -> Actor:
        """The person who asks for changes."""

    @property
    def monotonic(self) -> Callable[[], float]:
        """A monotonic clock in seconds."""

    def now(self) -> datetime:
        """Return the time that the screens show: the present, or a moment of the past."""

    @property
    def frozen_at(self) -> datetime | None:
        """The time at which the screen was frozen, or the shown moment of the past."""

    def circumstances(self) -> Circumstances:
        """Return the facts of the top line that no snapshot has."""

    def say(self, text: str, tone: str = "") -> None:
        """Show the operator a sentence on the current screen, and in a dialog over it that shows answers."""

    def copy(self, text: str) -> None:
        """Copy a text to the operator's clipboard, or show it where no clipboard accepts it."""

    def push_screen(self, screen: Screen[Any], callback: Callable[[Any], None] | None = None) -> object:
        """Open a dialog; the callback receives its answer."""

    async def action_go(self, name: str, *, is_jump: bool = True) -> None:
        """Show a screen; Esc leads back from a jump, which follows an object from one screen to another."""


class ScreenContext(ConsoleContext, Protocol):
    """The part that screens may use as well: the source of snapshots, and the keys that work everywhere."""

    @property
    def preferences(self) -> UserPreferences:
        """What the console remembers of its user."""

    @property
    def keymap(self) -> KeysOfVerbs:
        """The keys, as the settings have them."""

    @property
    def commands(self) -> CommandEntry:
        """The command line."""

    def silence(self) -> float:
        """Return the seconds since the workspace was last polled."""

    def sample_silence(self) -> float:
        """Return the seconds since the machine was last sampled."""

    def follow(self, run_id: str | None) -> None:
        """Include the epochs of this run in the snapshots."""

    def look_around(self, run_id: str, epoch: int | None) -> None:
        """Include the page of a run's epochs that has this epoch; None follows the newest again."""

    def look_at_runs(self, wanted: bool) -> None:
        """Include the tracked runs in the snapshots while a screen shows them."""

    async def go_back(self) -> bool:
        """Return to the place before the newest jump; False if there is none."""

    def call_next(self, callback: Callable[..., Any], *args: Any) -> object:
        """Call back once the current message has been handled."""


class ConsoleControls(ScreenContext, BackgroundHost, Protocol):
    """The part that keys and commands may use as well: the engine, the tasks and the switches of the console."""

    theme: str

    @property
    def left_at(self) -> datetime | None:
        """Until when this user had seen the workspace when the console was opened; None before the first visit."""

    @property
    def standing(self) -> WriteAccess:
        """Whether writes are armed."""

    @property
    def host(self) -> EngineHost:
        """The engine in this console."""

    @property
    def newest(self) -> Snapshot:
        """The newest snapshot, even if the screen is frozen."""

    @property
    def has_engine(self) -> bool:
        """Whether an engine is running on the workspace now, even if a frozen screen shows otherwise."""

    @property
    def clock(self) -> Clock:
        """The time of day."""

    def shown_screen(self) -> ShownScreen | None:
        """Return the screen below any dialog; None before the first."""

    def send(self, sequence: str) -> None:
        """Send an escape sequence to the terminal."""

    def call_after_refresh(self, callback: Callable[..., Any], *args: Any) -> object:
        """Call back once the screens have been drawn."""

    @property
    def playback(self) -> Playback:
        """The playback of the recorded past."""

    @property
    def refusal(self) -> str | None:
        """The reason why changes are refused now, or None."""

    def require_own_account(self, what: str) -> None:
        """Refuse what a console that acts for another account does not do.

        Args:
            what: What such a console does not do, and what to do instead; see `console.presentation.status`.
        Raises:
            RefusedError: This process is not of the operator's account.
        """

    @property
    def rights(self) -> OwnRights:
        """What the operator may do."""

    def toggle_arm(self) -> None:
        """Arm or disarm writes."""

    def toggle_freeze(self) -> None:
        """Freeze the screen or unfreeze it; from the past, return to the present."""

    def leave(self, following: Path | None = None) -> None:
        """Leave the console, or the workspace for a following one."""

    def offer(self, look: Callable[[], Offer], *, then: Callable[[], object] | None = None, key: str = "") -> None:
        """Open the dialog of a change.

        Args:
            look: Looks up the change; runs in a thread.
            then: Called once the change has been carried out.
            key: The key of the change; the keys of other changes are not taken for an answer.
        """
