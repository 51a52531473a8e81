"""What every screen has in common: top line, screen names, body, prompt, footer, and the keys that work everywhere."""

from collections.abc import Sequence
from typing import Any, ClassVar, cast

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Container
from textual.events import ScreenResume
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget

from console.context import ConsoleControls
from console.presentation.status import status_of
from console.screen_catalog import IN_ROW
from console.screens.prompt import Asking, Prompt
from console.verbs.catalog import EVERYWHERE, own_verbs, verb_named
from console.verbs.keys import bindings, help_lines
from console.verbs.verb import Noun, Thing, Things, Verb
from core.errors import CoreError
from core.view.snapshot import Snapshot
from widgets.ages import stale_text
from widgets.key_footer import KeyFooter, KeyHint
from widgets.line import Line
from widgets.lines_pane import LinesPane
from widgets.live_table import LiveTable
from widgets.painted import Painted
from widgets.screen_row import ScreenRow
from widgets.status_line import StatusLine
from widgets.textual_internals import PromptFrames, size_classes, write_frame
from widgets.wire import LeanScreen

SENTENCE_SECONDS = 12.0


class ConsoleScreen(PromptFrames, LeanScreen, Screen[None]):
    """A screen of the console. It shows the app's snapshot and asks the app to offer changes; it changes nothing."""

    NAME: ClassVar[str] = ""
    IN_ROW: ClassVar[str] = ""
    """The screen in the row of screens that this one belongs to, if it has no place there itself."""
    NOUNS: ClassVar[tuple[Noun[Any], ...]] = ()
    """What it shows, the most important first: the verbs about these have their keys here."""
    VERBS: ClassVar[tuple[Verb[Any], ...]] = ()
    """The verbs that only this screen and its like have, in the order of its footer; they follow from the nouns."""

    HORIZONTAL_BREAKPOINTS = [(0, "-cramped"), (80, "-narrow"), (120, "-wide"), (160, "-huge")]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (24, "-medium"), (40, "-high")]
    BINDINGS = bindings(EVERYWHERE)

    def __init_subclass__(cls, **options: Any) -> None:
        """Give a screen the keys of what it shows."""
        cls.VERBS = own_verbs(cls.NAME, cls.NOUNS)
        cls.BINDINGS = bindings(cls.VERBS)
        super().__init_subclass__(**options)

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

    def under_cursor(self) -> Things:
        """Return the objects that keys are about now, by noun; a key without its object is dim."""
        return {}

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

    @property
    def snapshot(self) -> Snapshot:
        """What is shown: the newest snapshot, or the frozen one."""
        return self.console_app.snapshot

    def compose(self) -> ComposeResult:
        """Frame the body."""
        self.add_class(*size_classes(self))  # before there is anything here: Textual says it later, and styles all anew
        yield StatusLine(id="status")
        yield ScreenRow([(screen.key, screen.name, screen.title) for screen in IN_ROW], self.IN_ROW or self.NAME)
        with Container(id="body"):
            yield from self.compose_body()
        yield Prompt(self.console_app.commands)
        yield KeyFooter(id="footer")

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
        things = self.under_cursor()
        hints = [
            KeyHint(key.display, key.label, enabled=self._refused(verb, things) is None, pinned=key.pinned)
            for verb in (*self.VERBS, *EVERYWHERE)
            if (key := verb.key) is not None and key.label
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
            write_frame(pane, title=title, subtitle="  ".join(filter(None, (subtitle, stale))))
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

    # Keys

    def selected(self, noun: Noun[Thing]) -> Thing | None:
        """Return the object of this kind that keys are about now."""
        return self._meant(noun, self.under_cursor())

    def _meant(self, noun: Noun[Thing], things: Things) -> Thing | None:
        thing = cast("Thing | None", things.get(noun))
        return thing if thing is not None else noun.usual(self.snapshot)

    def _refused(self, verb: Verb[Any], things: Things) -> str | None:
        return verb.refused(self.console_app, self._meant(verb.noun, things) if verb.noun else None)

    async def action_verb(self, name: str) -> None:
        """Do a verb to what is under the cursor now, or say why not."""
        verb, things = verb_named(name), self.under_cursor()
        if (refused := self._refused(verb, things)) is not None:
            self.console_app.say(refused, "warn")
            return
        try:
            later = verb.do(self.console_app, self._meant(verb.noun, things) if verb.noun else None)
        except CoreError as error:
            self.console_app.say(str(error), "warn")
        else:
            if later is not None:
                await later

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

    async def action_details(self) -> None:
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

        self.app.push_screen(TextDialog(f"Keys of {self.NAME.capitalize()}", help_lines(self.VERBS)))

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
