"""What every screen has in common: top line, screen names, body, prompt, footer, and the keys that work everywhere."""

from collections.abc import Sequence
from typing import ClassVar, cast

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.events import ScreenResume
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget

from console.app import keys
from console.app.keys import Key
from console.context import ConsoleControls
from console.navigation import SCREENS
from console.presentation.status import status_of
from console.runtime.frames import PromptFrames
from console.screens.changing_keys import ChangingKeys
from console.screens.panes import LinesPane, ScreenRow
from console.screens.prompt import Asking, Prompt
from core.view.snapshot import Snapshot
from widgets.ages import stale_text
from widgets.key_footer import KeyFooter, KeyHint
from widgets.line import Line, clean
from widgets.live_table import LiveTable
from widgets.painted import Painted
from widgets.status_line import StatusLine
from widgets.wire import LeanScreen

SENTENCE_SECONDS = 12.0


class ConsoleScreen(ChangingKeys, PromptFrames, LeanScreen, Screen[None]):
    """A screen of the console. It shows the app's snapshot and asks the app to offer changes; it changes nothing."""

    NAME: ClassVar[str] = ""
    IN_ROW: ClassVar[str] = ""
    """The screen in the row of screens that this one belongs to, if it has no place there itself."""
    KEYS: ClassVar[tuple[Key, ...]] = ()
    """What only this screen has, in the order of its footer."""

    HORIZONTAL_BREAKPOINTS = [(0, "-cramped"), (80, "-narrow"), (120, "-wide"), (160, "-huge")]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (24, "-medium"), (40, "-high")]
    BINDINGS = keys.bindings(*keys.EVERYWHERE, *keys.screen_keys(), keys.DETAILS)

    def __init__(self) -> None:
        super().__init__(id=self.NAME)
        self._titles: dict[Widget, tuple[str, str]] = {}
        self._sentence_expiry: Timer | None = None
        self._has_been_shown = False

    # What a screen must say

    def compose_body(self) -> ComposeResult:
        """Yield the panes."""
        raise NotImplementedError

    def show(self, snapshot: Snapshot) -> None:
        """Bring the panes in line with a snapshot."""
        raise NotImplementedError

    def main_table(self) -> LiveTable:
        """Return the list that the filter and the small layouts are about."""
        raise NotImplementedError

    def why(self) -> tuple[str, Sequence[Line]] | None:
        """Return the gates and the evidence behind what is selected, with a title."""
        return None

    def sampled_panes(self) -> Sequence[Painted]:
        """Return the panes that age with the samples of the machine, not with the documents."""
        return ()

    # The frame

    @property
    def console_app(self) -> ConsoleControls:
        """The app, as far as screens know it."""
        return cast("ConsoleControls", self.app)

    def compose(self) -> ComposeResult:
        """Frame the body."""
        self._take_size_classes()
        yield StatusLine(id="status")
        yield ScreenRow(SCREENS, self.IN_ROW or self.NAME)
        with Container(id="body"):
            yield from self.compose_body()
        yield Prompt(self.console_app.commands)
        yield KeyFooter(id="footer")

    def _take_size_classes(self) -> None:
        """Say how large the screen is before there is anything on it: Textual says it later, and styles all anew."""
        width, height = self.app.size
        across = self._get_breakpoint_classes(width, self.HORIZONTAL_BREAKPOINTS)
        self.add_class(*across, *self._get_breakpoint_classes(height, self.VERTICAL_BREAKPOINTS))

    def on_screen_resume(self, event: ScreenResume) -> None:
        """Catch up with what has happened while another screen was shown."""
        # What has only just been put on the screen has been styled on the way.
        event.refresh_styles = self._has_been_shown
        self._has_been_shown = True
        self.refresh_all()

    def refresh_all(self) -> None:
        """Show the present snapshot, the status and the keys."""
        if self.is_whole:
            self.show(self.snapshot)
            self._show_keys()
            self.tick()

    @property
    def is_whole(self) -> bool:
        """Whether the panes are there: not yet while the screen opens, and no more while the app ends."""
        return self.is_mounted and any(isinstance(child, KeyFooter) for child in self.children)

    def show_standing(self) -> None:
        """Bring the top line and the footer in line with what may be done."""
        self._show_status()
        self._show_keys()

    def _show_status(self) -> None:
        app = self.console_app
        self.query_one(StatusLine).set_status(status_of(app.snapshot, app.circumstances()))

    def _show_keys(self) -> None:
        hints = [
            KeyHint(key.display, key.label, enabled=self.refusal(key) is None, pinned=key.pinned)
            for key in (*self.KEYS, *keys.EVERYWHERE)
            if key.label
        ]
        self.query_one(KeyFooter).set_keys(hints)

    def set_title(self, pane: Widget, title: str, subtitle: str = "") -> None:
        """Name a pane; its age joins the subtitle once it is stale."""
        self._titles[pane] = (title, subtitle)

    @staticmethod
    def filter_words(table: LiveTable) -> str:
        """Say what a list is filtered by, for its frame; empty without a filter."""
        return f"/{table.filter_words}: {len(table.rows)} of {table.n_all_rows}" if table.filter_words else ""

    def tick(self) -> None:
        """Judge the age of each pane and move the clock; sends nothing unless a word changes."""
        app = self.console_app
        sampled = self.sampled_panes()
        for pane, (title, subtitle) in self._titles.items():
            silent = app.sample_silence() if pane in sampled else app.silence()
            stale = stale_text(silent)
            pane.set_class(stale is not None, "-stale")
            write_frame(pane, title, "  ".join(filter(None, (subtitle, stale))))
        self._show_status()

    def say(self, text: str, tone: str = "") -> None:
        """Answer what was just done, in the footer's place; the keys come back after a while."""
        self.query_one(KeyFooter).say(text, tone)
        if self._sentence_expiry is not None:
            self._sentence_expiry.stop()
        self._sentence_expiry = self.set_timer(SENTENCE_SECONDS, lambda: self.say("")) if text else None

    def on_key(self, event: events.Key) -> None:
        """Answer a capital that means nothing here: who presses one means to change something."""
        is_capital = event.character is not None and event.character.isupper()
        if is_capital and event.key not in self.active_bindings:
            self.say(f"{event.character} means nothing on this screen; ? lists its keys.", "muted")

    # Keys that only look

    async def action_filter(self) -> None:
        """Ask for words that rows must have."""
        await self.query_one(Prompt).ask(Asking.FILTER, self.main_table().filter_words)

    async def action_command(self) -> None:
        """Ask for a command."""
        await self.query_one(Prompt).ask(Asking.COMMAND)

    @on(Prompt.Edited)
    def _filter_edited(self, event: Prompt.Edited) -> None:
        self.main_table().filter_words = event.text
        self.show(self.snapshot)
        self.tick()

    @on(Prompt.Entered)
    def _prompt_entered(self, event: Prompt.Entered) -> None:
        self.main_table().focus()
        if event.asking is Asking.COMMAND and event.text.strip():
            self.console_app.commands.run(event.text)

    @on(Prompt.Left)
    def _prompt_left(self, event: Prompt.Left) -> None:
        self.main_table().focus()
        if event.asking is Asking.FILTER:
            self._clear_filter()

    def _clear_filter(self) -> bool:
        table = self.main_table()
        if not table.filter_words:
            return False
        table.filter_words = ""
        self.show(self.snapshot)
        self.tick()
        return True

    def action_details(self) -> None:
        """Show or hide the details."""
        pane = self._details()
        if pane is None:
            self.say("There is nothing more to this row.", "muted")
        elif pane.display and pane.size.width:
            self._close_details()
        else:
            self._open_details()

    def _details(self) -> Widget | None:
        return self.query(".details").first() if self.query(".details") else None

    def _open_details(self) -> None:
        self.remove_class("-closed")
        self.add_class("-open")

    def _close_details(self) -> None:
        self.remove_class("-open")
        self.add_class("-closed")
        self.main_table().focus()

    @property
    def is_covered(self) -> bool:
        """Whether the details lie over the list, for lack of room beside it."""
        return self.has_class("-open") and not (self.has_class("-wide") or self.has_class("-huge"))

    def action_back(self) -> None:
        """Go one layer out: zoom, details over the list, focus in the details, filter."""
        if self.maximized is not None:
            self.minimize()
        elif self.is_covered:
            self._close_details()
        elif self.focused is not self.main_table():
            self.main_table().focus()
        elif not self._clear_filter():
            self.leave_view()

    def leave_view(self) -> None:
        """Put the list back where something else stands in its place; most screens show nothing else."""

    def show_row(self, key: str) -> None:
        """Put the cursor on a row, wherever the screen was."""
        self.main_table().move_to(key)

    def action_zoom(self) -> None:
        """Let the pane in focus fill the screen, or put it back."""
        if self.maximized is not None:
            self.minimize()
        elif self.focused is not None:
            self.maximize(self.focused, container=False)

    def action_help(self) -> None:
        """Explain the keys of this screen."""
        from console.dialogs.text import TextDialog

        self.app.push_screen(TextDialog(f"Keys of {self.NAME.capitalize()}", keys.help_lines(self.KEYS)))

    def action_logs(self) -> None:
        """Read the newest log lines."""
        from console.dialogs.text_actions import show_logs

        show_logs(self.console_app)

    def action_why(self) -> None:
        """Show the gates and the evidence."""
        reason = self.why()
        if reason is None:
            self.say("Select a row first; then w shows what lies behind it.", "muted")
        else:
            from console.dialogs.text import TextDialog

            self.app.push_screen(TextDialog(*reason))

    def action_copy(self) -> None:
        """Copy the details in focus, or the row under the cursor."""
        self.console_app.copy(self.text_to_copy())

    def text_to_copy(self) -> str:
        """Return the details when they have the focus, else the row under the cursor."""
        if isinstance(self.focused, LinesPane):
            return self.focused.text
        table = self.focused if isinstance(self.focused, LiveTable) else self.main_table()
        row = next((row for row in table.rows if row.key == table.cursor_key), None)
        if row is None:
            return ""
        cells = [cell if isinstance(cell, str) else cell.text for cell in row.cells]
        return "  ".join(cell.strip() for cell in cells if cell.strip())

    def action_freeze(self) -> None:
        """Hold what is shown, or let it go on."""
        self.console_app.toggle_freeze()

    def action_past(self) -> None:
        """Go back to the moment before the newest change that is shown."""
        self.console_app.playback.step(-1)

    def action_forth(self) -> None:
        """Go to the next moment, and at last to now."""
        self.console_app.playback.step(1)

    def action_arm(self) -> None:
        """Arm or disarm writes."""
        self.console_app.toggle_arm()

    async def action_leave(self) -> None:
        """Leave the console."""
        self.console_app.leave()


def write_frame(pane: Widget, title: str, subtitle: str) -> None:
    """Put plain texts into the frame of a pane; nothing is sent when they are there already."""
    for attribute, text in (("border_title", title), ("border_subtitle", subtitle)):
        content = Content(clean(text)) if text else None
        if getattr(pane, f"_{attribute}") != content:
            setattr(pane, attribute, content)
