"""The console: one app over one workspace, which embeds an engine when no other is running."""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.events import Event, Key, Paste, Resize
from textual.screen import Screen

from console.app.commands import Commands
from console.app.messages import HostingChanged, SnapshotReady
from console.app.opening import keys_to_bind, require_whole
from console.app.suspending import refusal_to_suspend
from console.dialogs.dialog import REDRAW_KEY, Dialog, ReadOnlyDialog
from console.presentation.keys import bind_signs, sign_of
from console.presentation.resources import newest_at
from console.presentation.status import Circumstances, attached_to, whose_console
from console.presentation.write_access import WriteAccess
from console.runtime import collector
from console.runtime.announced_lines import AnnouncedLines
from console.runtime.background import in_background
from console.runtime.engine_host import EngineHost, Hosting
from console.runtime.frozen import FrozenEpochs
from console.runtime.hangup import TERMINATED_EXIT_CODE, on_terminate
from console.runtime.jumps import Jumps
from console.runtime.own_rights import OwnRights
from console.runtime.playback import Playback
from console.runtime.poller import TICK_SECONDS, Poller
from console.runtime.preferences import UserPreferences
from console.runtime.visits import Visits
from console.screen_catalog import SCREENS, open_screen
from console.screens.base import ConsoleScreen
from console.verbs.engine import leave_offer, needs_of
from core.actor import Actor, Origin
from core.clock import Clock, utc_now
from core.errors import CoreError, ExitCode, RefusedError
from core.settings import Settings
from core.state import Workspace, read_lease
from core.view.snapshot import Snapshot
from core.view.source import unread_snapshot
from themes import shared_sheets
from themes.palettes import DEFAULT_THEME, THEMES, default_variables
from widgets.glyphs import choose_glyphs
from widgets.textual_internals import (
    BugExit,
    SteadyStylesheet,
    forget_geometry,
    handle_now,
    screen_on_top,
    send_no_colours,
    typed_key,
    within_reason,
    write_raw,
)

if TYPE_CHECKING:
    from console.app.changes import Changes
    from console.presentation.offer import Offer
    from core.alerts.delivery.records import Announcement
    from core.governance.attached_consoles import ConsoleAdmission

# Modules that the first frame does not need are imported at first use: start-up is mostly imports.
log = logging.getLogger("bondx.console")

_FORGET_EVERY = 60  # ticks


class BondxApp(BugExit):
    """Shows snapshots, offers changes, and leaves the work to the engine."""

    TITLE = "BondX Console"
    CSS_PATH = [str(sheet) for sheet in shared_sheets()]
    BINDINGS: ClassVar[list[BindingType]] = [
        # Ctrl+C does not quit: it is pressed by accident too easily in a console that may carry the engine.
        Binding("ctrl+c", "interrupt", "", show=False, priority=True),
        Binding("ctrl+q", "leave", "Leave", show=False, priority=True),
        Binding(REDRAW_KEY, "redraw", "", show=False, priority=True),
        Binding("ctrl+z", "suspend", "", show=False, priority=True),
    ]
    MODES = {screen.name: partial(open_screen, screen.name) for screen in SCREENS}
    DEFAULT_MODE = "overview"

    def __init__(
        self,
        workspace: Workspace,
        settings: Settings,
        *,
        read_only: bool = False,
        theme: str | None = None,
        embed: bool = True,
        serves_at: str | None = None,
        admission: "ConsoleAdmission | None" = None,
        clock: Clock = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
        when_ready: Callable[[], None] | None = None,
    ) -> None:
        """Make the console of a workspace.

        Args:
            workspace: The workspace to show.
            settings: The console's look, whether it starts armed, and the alert limits.
            read_only: Never arm, and never start an engine.
            theme: Overrides the theme of the settings.
            embed: Start an engine in this console if none is running.
            serves_at: Where this process serves predictions, if it does: leaving then asks.
            admission: The right of another account, for which this process acts: such a console starts no engine,
                touches no file that a person names, and ends with the right.
            clock: The time of day.
            monotonic: A monotonic clock in seconds; dialogs and ages use it.
            when_ready: Called in a thread once the first frame is out.
        """
        super().__init__()
        self.animation_level = "none"
        if self.no_color:
            send_no_colours(self)
        self.workspace = workspace
        self.settings = settings
        self.clock = clock
        self.monotonic = monotonic
        self.standing = WriteAccess(read_only=read_only, armed=settings.console.armed and not read_only)
        self.glyphs = choose_glyphs(os.environ, setting=settings.console.glyphs)
        self.stops_on_request = admission is None
        self.set_class(self.glyphs.name == "ascii", "-ascii")
        self._admission = admission
        self.actor = Actor.current(Origin.CONSOLE) if admission is None else admission.actor
        self.rights = OwnRights(workspace, self.actor, monotonic)
        self.commands = Commands(self)
        self.jumps = Jumps()
        self.preferences = UserPreferences()
        self.keymap, self._key_problem = keys_to_bind(workspace, settings, self.preferences)
        bind_signs(self.keymap.signs())
        self._has_drawn = False
        self._n_ticks = 0
        self.notice = "" if admission is None else whose_console(self.actor)
        """What to say once the workspace is shown."""
        self.farewell = ""
        """How a change ended that the console waited for before it was left."""
        self.snapshot = unread_snapshot(workspace, clock)
        self.frozen_at: datetime | None = None
        self.playback = Playback(self)
        self._frozen_epochs = FrozenEpochs(self)
        self.newest = self.snapshot
        self._news = threading.Lock()
        self._is_announced = False
        self._announced_lines = AnnouncedLines(workspace)
        self._lines: list[Announcement] = []
        self._visits = Visits(workspace.root, clock)
        self._has_looked_back = False
        self.left_at: datetime | None = None
        """Until when this user had seen the workspace when the console was opened; None before the first visit."""
        self._embed = embed and not read_only and admission is None
        self._when_ready = when_ready
        self.following: Path | None = None
        """The workspace to show next, once this console has been left for it."""
        self._serves_at = serves_at
        self._poller = Poller(workspace, self._take_news, clock=clock, monotonic=monotonic)
        self.host = EngineHost(workspace, self.actor, self._hosting_changed)
        for palette in THEMES.values():
            self.register_theme(palette)
        self.theme = self._theme_named(theme or settings.console.theme)
        self.stylesheet = SteadyStylesheet(variables=self.get_css_variables())

    def _theme_named(self, name: str) -> str:
        if name in THEMES:
            return name
        return "bondx-ansi" if self.console.color_system == "standard" else DEFAULT_THEME

    def offer(self, look: "Callable[[], Offer]", *, then: Callable[[], object] | None = None, key: str = "") -> None:
        """Open the dialog of a change, which is carried out once confirmed."""
        self._changes.offer(look, then=then, key=key)

    @cached_property
    def _changes(self) -> "Changes":
        from console.app.changes import Changes

        return Changes(self)

    @property
    def refusal(self) -> str | None:
        """The reason why changes are refused now, or None."""
        # In the past, arming would not help.
        lasting = self.standing.refusal if self.standing.read_only else self.playback.refusal
        return lasting or self.standing.refusal

    def require_own_account(self, what: str) -> None:
        """Refuse what a console that acts for another account does not do.

        Args:
            what: What such a console does not do, and what to do instead; see `console.presentation.status`.
        Raises:
            RefusedError: This process is not of the operator's account.
        """
        if self._admission is not None:
            raise RefusedError(what)

    def now(self) -> datetime:
        """Return the time that the screens show: the present, or a moment of the past."""
        return self.playback.at or self.clock()

    @property
    def has_engine(self) -> bool:
        """Whether an engine is running on the workspace now, even if a frozen screen shows otherwise."""
        return self.newest.engine is not None

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Give foreign themes our roles."""
        return default_variables()

    # Start and end

    def on_mount(self) -> None:
        """Start polling the workspace once the first frame is drawn."""
        on_terminate(asyncio.get_running_loop(), lambda: self.exit(return_code=TERMINATED_EXIT_CODE))
        self.set_keymap(self.keymap.bound())
        self.set_interval(TICK_SECONDS, self._tick)
        self.call_after_refresh(self._first_frame_is_out)

    def _first_frame_is_out(self) -> None:
        self._has_drawn = True
        collector.resume()
        self._poller.start()
        if self._admission is not None:
            from console.runtime.admission_watch import AdmissionWatch

            AdmissionWatch(self._admission, self._shut_out).start()
        if self._when_ready is not None:
            threading.Thread(target=self._when_ready, name="when-ready", daemon=True).start()

    def _shut_out(self, refusal: str) -> None:
        """Leave, as the right to be here has ended; called in a thread."""
        self.farewell = refusal
        self.call_from_thread(self.exit, return_code=ExitCode.REFUSED)

    def on_unmount(self) -> None:
        """Stop the poller, and note until when the user was here."""
        self._poller.stop()
        if self._has_looked_back:
            self._visits.note(leaves=True)

    def leave(self, following: Path | None = None) -> None:
        """Leave; confirm first if something depends on this console, and stop its engine in order.

        Args:
            following: The workspace to show next; None ends the console.
        """
        if following is not None and self._serves_at:
            self.say(f"This console serves predictions at {self._serves_at}: open another workspace elsewhere.", "warn")
        elif following is not None:
            in_background(self, partial(self._leave_for, following))
        else:
            self._leave(None)

    async def _leave_for(self, following: Path) -> None:
        """Leave for another workspace, unless it cannot be shown whole: then nothing is stopped for it."""
        try:
            await asyncio.to_thread(lambda: require_whole(Workspace.open(following)))
        except (CoreError, OSError) as error:
            self.say(f"{following.name} is not opened: {error}", "warn")
        else:
            self._leave(following)

    def _leave(self, following: Path | None) -> None:
        if under_way := self._changes.under_way:
            self.say(f"{under_way} The console leaves once that has ended.", "warn")
            in_background(self, partial(self._leave_afterwards, following), group="leaving", exclusive=True)
            return
        carries_engine = self.host.hosting in (Hosting.EMBEDDED, Hosting.STARTING)
        if (carries_engine and needs_of(self.newest)) or self._serves_at:
            look = partial(leave_offer, self._look, self.host.stop, serves_at=self._serves_at)
            self.offer(look, then=partial(self._exit_for, following))
        else:
            self._exit_for(following)

    async def _leave_afterwards(self, following: Path | None) -> None:
        """Leave once the confirmed changes have ended; stay if one was refused, which a dialog says."""
        if (told := await self._changes.all_done()) is not None:
            self.farewell = told
            self._leave(following)

    def _exit_for(self, following: Path | None) -> None:
        self.following = following
        self.exit()

    def _look(self) -> Snapshot:
        self._poller.look()
        return self.newest

    def action_interrupt(self) -> None:
        """Close an open dialog, or say how to leave."""
        if isinstance(self.screen, Dialog):
            self.screen.action_cancel()
        else:
            self.say(
                f"{sign_of('console.quit')} leaves. Ctrl+C ends nothing here: an accident must not stop an engine.",
                "muted",
            )

    def action_leave(self) -> None:
        """Leave from anywhere; an open dialog is only closed."""
        if isinstance(self.screen, Dialog):
            self.screen.action_cancel()
        else:
            self.leave()

    def action_redraw(self) -> None:
        """Draw the whole screen again: another program may have written into the terminal."""
        if (screen := screen_on_top(self)) is not None:
            screen.refresh()

    def action_suspend(self) -> None:
        """Suspend the console to its shell, unless something depends on it; the dialog of a change stays."""
        if isinstance(self.screen, Dialog) and not isinstance(self.screen, ReadOnlyDialog):
            return
        under_way = self._changes.under_way
        if refusal := refusal_to_suspend(self.host.hosting, serves_at=self._serves_at, under_way=under_way):
            self.say(refusal, "warn")
        else:
            self.action_suspend_process()

    def last_words(self) -> Text:
        """Exit on a bug: traceback to the log, a sentence to the operator, a non-zero exit code to the shell."""
        log.critical("The console stopped because of a bug.", exc_info=True)
        log_file = self.workspace.logs_dir / "console.log"
        return Text(f"bondx: the console stopped because of a bug; {log_file} has the details.")

    async def on_event(self, event: Event) -> None:
        """Drop keys typed ahead of a dialog that has just appeared; draw again what the terminal may have lost."""
        if isinstance(event, Key):
            event = typed_key(event)
        if isinstance(event, Resize):
            event = within_reason(event)
        if isinstance(event, Resize) and self._has_drawn:
            # A terminal that shrinks and grows again, or that comes back from the shell, reports the size that it had
            # before, but shows little of what it showed.
            self.call_after_refresh(self.action_redraw)
        screen = screen_on_top(self)
        if isinstance(screen, Dialog) and screen.is_deaf_to(event):
            return
        if isinstance(event, Key | Paste) and not event.is_forwarded and _answers_in_order(screen):
            await handle_now(self, event)
        else:
            await super().on_event(event)

    def on_key(self, event: Key) -> None:
        """Drop keys that were on their way to a list when a dialog opened: they were meant for neither."""
        if isinstance(self.screen, Dialog) and self.screen.is_deaf_to(event):
            event.prevent_default()

    # News from threads

    def _take_news(self, snapshot: Snapshot) -> None:
        if self._key_problem:
            snapshot = replace(snapshot, problems=(*snapshot.problems, self._key_problem))
        lines = self._announced_lines.fresh()
        with self._news:
            self.newest = snapshot
            self._lines += lines
            if self._is_announced:
                return
            self._is_announced = True
        if self._has_looked_back:
            self._visits.note()
        self.post_message(SnapshotReady())

    def _hosting_changed(self, hosting: Hosting, problem: str) -> None:
        self.post_message(HostingChanged(hosting, problem))

    def on_snapshot_ready(self) -> None:
        """Show the newest snapshot, unless the screen is frozen."""
        with self._news:
            self._is_announced = False
            newest = self.newest
            lines, self._lines = self._lines, []
        if self._embed:
            self._embed = False
            if newest.engine is None and newest.follows:
                self.say(f"A replica of {newest.follows}: no engine starts here. Make changes there.", "muted")
            elif newest.engine is None:
                self.host.start()
            else:
                self.say(attached_to(newest.engine), "muted")
        if not self._has_looked_back:
            self._has_looked_back = True
            in_background(self, self._look_back)
        if self.notice:
            self.say(self.notice, "warn")
            self.notice = ""
        for line in lines:
            self.say(line.text, "bad" if line.severity == "critical" else "warn")
            if line.rings:
                self.bell()
        if self.frozen_at is None:
            self.snapshot = newest
            if (screen := self.shown_screen()) is not None:
                screen.show_news()

    async def _look_back(self) -> None:
        """Say that something happened since the user left; the record is read in a thread."""
        try:
            self.left_at, missed = await asyncio.to_thread(self._visits.look_back, self.workspace)
        except (CoreError, OSError) as error:  # the parts of the snapshot say what cannot be read
            log.debug("the shift cannot be summarised: %s", error)
            return
        if missed is not None:
            self.say(f"Since you left: {missed}. {sign_of('console.shift')} shows them.", "warn")

    def on_hosting_changed(self, message: HostingChanged) -> None:
        """Tell the operator how the engine started or stopped."""
        if message.problem:
            self.say(message.problem, "bad")
        elif message.hosting is Hosting.ATTACHED and (holder := read_lease(self.workspace)) is not None:
            self.say(attached_to(holder), "muted")
        elif message.hosting is Hosting.STOPPING:
            self.say("Stopping the engine after the current epoch; a checkpoint stays…", "warn")
        self._show_standing()

    def shown_screen(self) -> ConsoleScreen | None:
        """Return the screen below any dialog; None for a moment while a screen opens or the app exits."""
        stack = self.screen_stack if self.is_running else []
        screen = next((screen for screen in reversed(stack) if isinstance(screen, ConsoleScreen)), None)
        return screen if screen is not None and screen.is_whole else None

    def _tick(self) -> None:
        self._n_ticks += 1
        if self._n_ticks % _FORGET_EVERY == 0:
            forget_geometry()
        if (screen := self.shown_screen()) is not None:
            screen.tick()

    def _show_standing(self) -> None:
        if (screen := self.shown_screen()) is not None:
            screen.show_standing()

    def _refresh_all(self) -> None:
        if (screen := self.shown_screen()) is not None:
            screen.refresh_all()

    def silence(self) -> float:
        """Return the seconds since the workspace was last polled."""
        return 0.0 if self.frozen_at else self.monotonic() - self._poller.looked_at

    def sample_silence(self) -> float:
        """Return the seconds since the machine was last sampled."""
        sampled_at = newest_at(self.snapshot)
        if self.frozen_at or sampled_at is None:
            return 0.0
        return max(self.silence(), self.clock().timestamp() - sampled_at)

    def follow(self, run_id: str | None) -> None:
        """Include the epochs of this run in the snapshots, beside those of the active session."""
        self._poller.follow(run_id)
        self.playback.follow(run_id)
        self._frozen_epochs.follow(run_id)

    def look_around(self, run_id: str, epoch: int | None) -> None:
        """Include the page of a run's epochs that has this epoch; None follows the newest again."""
        self._poller.look_around(run_id, epoch)
        self.playback.look_around(run_id, epoch)
        self._frozen_epochs.look_around(run_id, epoch)
        in_background(self, partial(asyncio.to_thread, self._poller.look))

    def look_at_runs(self, wanted: bool) -> None:
        """Include the runs in the snapshots while a screen shows them."""
        self._poller.look_at_runs(wanted)
        if wanted:  # now, and not at the next tick
            in_background(self, partial(asyncio.to_thread, self._poller.look))

    def circumstances(self) -> Circumstances:
        """Collect the facts of the top line that no snapshot has."""
        return Circumstances(
            now=self.clock(),
            standing=self.standing,
            frozen_at=self.frozen_at,
            is_past=self.playback.at is not None,
            is_blind=self.silence() > 3 * TICK_SECONDS,
        )

    # Requests of screens and commands

    async def action_go(self, name: str, *, is_jump: bool = True) -> None:
        """Show a screen; keys typed meanwhile wait until it is ready.

        Args:
            name: The screen.
            is_jump: Whether Esc leads back. It does not after the number of a screen was pressed: who closes a message
                with Esc must not land on another screen, where the capitals mean other objects.
        """
        if (screen := self.shown_screen()) is not None and name != screen.NAME:
            if is_jump:
                self.jumps.leave(screen.place())
            else:
                self.jumps.forget()
        await self.switch_mode(name)

    async def go_back(self) -> bool:
        """Return to the place before the newest jump; False if there is none."""
        if (place := self.jumps.back()) is None:
            return False
        await self.switch_mode(place.screen)
        if (screen := self.shown_screen()) is not None:
            screen.return_to(place)
        return True

    def say(self, text: str, tone: str = "") -> None:
        """Show the operator a sentence on the current screen."""
        if (screen := self.shown_screen()) is not None:
            screen.say(text, tone)
        if isinstance(top := screen_on_top(self), ReadOnlyDialog) and top.is_mounted:
            top.say(text, tone)

    def toggle_arm(self) -> None:
        """Arm or disarm writes."""
        if self.standing.read_only or self.playback.refusal:
            self.say(self.refusal or "", "warn")
            return
        self.standing = self.standing.toggled()
        self.say("Writes are armed." if self.standing.armed else "Writes are disarmed.", "warn")
        self._show_standing()

    def toggle_freeze(self) -> None:
        """Freeze the screens or unfreeze them; from the past, return to the present."""
        if self.frozen_at is None:
            self.frozen_at = self.clock()
            self._refresh_all()
        else:
            self.playback.leave()
            self.show_past(None)
            self.say("")

    def show_past(self, snapshot: Snapshot | None) -> None:
        """Show a snapshot of the past, or the present again without a snapshot."""
        self.frozen_at = snapshot.taken_at if snapshot else None
        self.snapshot = snapshot or self.newest
        self._refresh_all()

    @property
    def is_frozen(self) -> bool:
        """Whether the screens show the moment at which they were frozen, and not the recorded past."""
        return self.frozen_at is not None and self.playback.at is None

    def show_frozen(self, snapshot: Snapshot) -> None:
        """Show the frozen snapshot with epochs that were not read when it was taken."""
        self.snapshot = snapshot
        self._refresh_all()

    def send(self, sequence: str) -> None:
        """Send an escape sequence to the terminal, in order with the drawing."""
        write_raw(self, sequence)

    def copy(self, text: str) -> None:
        """Copy a text to the operator's clipboard, or show it where no clipboard accepts it."""
        from console.dialogs.text_actions import copy_text

        copy_text(self, text)

    def action_command_palette(self) -> None:
        """Open the palette, its invitation in the signs of the terminal."""
        from textual.command import CommandPalette

        if not isinstance(self.screen, CommandPalette):
            invitation = self.glyphs.spelled("Search for commands…")
            self.push_screen(CommandPalette(placeholder=invitation, id="--command-palette"))

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Fill the palette with the commands of the command line and their possible arguments."""
        for line, summary in self.commands.every_line():
            # Until something is typed the palette lists the commands without arguments; typing finds the rest.
            is_plain = " " not in line
            yield SystemCommand(
                self.glyphs.spelled(line), self.glyphs.spelled(summary), partial(self.commands.run, line), is_plain
            )


def _answers_in_order(screen: Screen[Any] | None) -> bool:
    """Whether keys may end something here: a dialog, or a line being typed. Then no later key may overtake them."""
    return isinstance(screen, Dialog) or (isinstance(screen, ConsoleScreen) and screen.is_asking)
