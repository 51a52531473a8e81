"""The frame of every screen: top line, screen names, body, prompt, footer; titles and their ages."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar, cast

from textual.app import ComposeResult
from textual.containers import Container
from textual.events import ScreenResume
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget

from console.context import ConsoleControls
from console.presentation.keys import with_keys
from console.presentation.status import status_of
from console.screen_catalog import IN_ROW
from console.screens.prompt import Asking, Prompt
from core.errors import CoreError
from core.view.snapshot import Snapshot
from widgets.ages import stale_text
from widgets.key_footer import KeyFooter, KeyHint
from widgets.line import shorten
from widgets.live_table import LiveTable
from widgets.painted import Painted
from widgets.screen_row import ScreenRow
from widgets.status_line import StatusLine
from widgets.textual_internals import PromptFrames, size_classes, write_frame
from widgets.wire import LeanScreen

SENTENCE_SECONDS = 12.0
FRAME_CELLS = 6  # of a pane, beside its title
REST_SECONDS = 5.0
"""How late an age may be, which counts in minutes, on a screen without news."""
READING = "Reading…"
UNREADABLE = "This cannot be read; 1 shows why."
NOT_FROZEN = "Not read before the screen was frozen; {console.freeze} unfreezes it."


class FramedScreen(PromptFrames, LeanScreen, Screen[None]):
    """A screen in its frame, which shows the app's snapshot. `ConsoleScreen` adds the keys."""

    NAME: ClassVar[str] = ""
    IN_ROW: ClassVar[str] = ""
    """The screen in the row of screens that this one belongs to, if it has no place there itself."""

    COUNTS_SECONDS: ClassVar[bool] = False
    """Whether it counts down the seconds of what is under way."""

    PARTS: ClassVar[Mapping[str, str]] = {}
    """The part of the snapshot that each pane shows, by selector; "" for a pane that shows all of them."""

    HORIZONTAL_BREAKPOINTS = [(0, "-cramped"), (80, "-narrow"), (120, "-wide"), (160, "-huge")]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (24, "-medium"), (40, "-high")]

    def __init__(self) -> None:
        super().__init__(id=self.NAME)
        self._titles: dict[Widget, tuple[str, str]] = {}
        self._sentence_expiry: Timer | None = None
        self._has_been_shown = False
        self._shown: tuple[Snapshot, datetime] | None = None

    # What a screen must provide

    def compose_body(self) -> ComposeResult:
        """Yield the panes."""
        raise NotImplementedError

    def show(self, snapshot: Snapshot) -> None:
        """Bring the panes in line with a snapshot."""
        raise NotImplementedError

    def main_table(self) -> LiveTable:
        """Return the list that the filter and the small layouts apply to."""
        raise NotImplementedError

    def filter_edited(self, text: str) -> None:
        """Filter by what has been typed so far."""
        raise NotImplementedError

    def prompt_entered(self, asking: Asking, text: str) -> None:
        """Take the line that was entered in the prompt."""
        raise NotImplementedError

    def prompt_left(self, asking: Asking) -> None:
        """Do without a line."""
        raise NotImplementedError

    def sampled_panes(self) -> Sequence[Painted]:
        """Return the panes that age with the samples of the machine, not with the documents."""
        return ()

    def key_hints(self) -> Sequence[KeyHint]:
        """Return the keys for the footer; keys without effect now are dim."""
        return ()

    # Zoom

    @property
    def is_zoomed(self) -> bool:
        """Whether one pane fills the body."""
        return self.has_class("-zoomed")

    def zoom(self, pane: Widget) -> None:
        """Let a pane fill the body: the top line and the footer stay, which name what is seen and the way out."""
        self.add_class("-zoomed")
        inner: Widget = pane
        while inner.id != "body" and isinstance(around := inner.parent, Widget):
            inner.add_class("-zoom")
            for beside in around.children:
                beside.set_class(beside is not inner, "-behind")
            inner = around
        self.show_standing()

    def unzoom(self) -> None:
        """Put the pane back."""
        if not self.is_zoomed:
            return
        self.remove_class("-zoomed")
        for each in self.query(".-behind, .-zoom"):
            each.remove_class("-behind", "-zoom")
        self.show_standing()

    # The frame

    @property
    def console_app(self) -> ConsoleControls:
        """The app, as far as screens know it."""
        return cast("ConsoleControls", self.app)

    @property
    def snapshot(self) -> Snapshot:
        """The shown snapshot: the newest or the frozen one."""
        return self.console_app.snapshot

    def compose(self) -> ComposeResult:
        """Frame the body."""
        self.add_class(*size_classes(self))  # Textual sets them later, and styles all again
        yield StatusLine(id="status")
        yield ScreenRow([(screen.key, screen.name, screen.title) for screen in IN_ROW], self.IN_ROW or self.NAME)
        with Container(id="body"):
            yield from self.compose_body()
        yield Prompt(self.console_app.commands, self)
        yield KeyFooter(id="footer")

    def on_screen_resume(self, event: ScreenResume) -> None:
        """Catch up with events from while another screen was shown."""
        # A screen that was just opened has been styled already.
        event.refresh_styles = self._has_been_shown
        self._has_been_shown = True
        self.refresh_all()

    def on_screen_suspend(self) -> None:
        """Keep no snapshot while another screen is shown: each is a few MiB, and coming back shows the present one."""
        self._shown = None

    def refresh_all(self) -> None:
        """Show the present snapshot, the status and the keys."""
        if self.is_whole:
            self._mark_unread_panes()
            self.show_now()
            self._show_keys()
            self.tick()

    def show_news(self) -> None:
        """Show the present snapshot, unless all that is new in it are samples of the machine, which no pane shows."""
        if self._shown is not None and not self.COUNTS_SECONDS and not self.sampled_panes():
            snapshot, shown_at = self._shown
            rest = (self.console_app.now() - shown_at).total_seconds()
            if 0 <= rest < REST_SECONDS and self.snapshot.differs_in_samples_alone(snapshot):
                return
        self.refresh_all()

    def show_now(self) -> None:
        """Update the panes from the present snapshot; a document that cannot be read any more costs no console."""
        self._shown = self.snapshot, self.console_app.now()
        try:
            self.show(self.snapshot)
        except CoreError as error:  # its large fields are in a file that somebody has changed
            self.say(str(error), "bad")

    def _mark_unread_panes(self) -> None:
        """Let no pane claim anything about a part of the workspace that was not read."""
        for selector, part in self.PARTS.items():
            if isinstance(pane := self.query_one(selector), Painted):
                pane.notice = self.notice_of(part)

    def notice_of(self, part: str) -> str:
        """Say that a part was not read, or cannot be; "" if it was read."""
        unread, unreadable = self.snapshot.unread, self.snapshot.unreadable
        is_unread = part in unread if part else bool(unread - unreadable - {"runs"})
        if not is_unread:
            return ""
        if part in unreadable:
            return UNREADABLE
        return READING if self.console_app.frozen_at is None else with_keys(NOT_FROZEN)

    @property
    def is_whole(self) -> bool:
        """Whether the panes exist: they do not while the screen opens or the app exits."""
        return self.is_mounted and any(isinstance(child, KeyFooter) for child in self.children)

    @property
    def is_old(self) -> bool:
        """Whether the workspace could not be read lately: what is shown was true once."""
        return stale_text(self.console_app.silence()) is not None

    @property
    def is_small(self) -> bool:
        """Whether it is smaller than 80x24: the top line and one list."""
        return self.has_class("-cramped") or self.has_class("-low")

    @property
    def is_asking(self) -> bool:
        """Whether the prompt is open."""
        return self.has_class("-asking")

    def show_standing(self) -> None:
        """Update the top line and the footer."""
        self._show_status()
        self._show_keys()

    def _show_status(self) -> None:
        app = self.console_app
        self.query_one(StatusLine).set_status(status_of(app.snapshot, app.circumstances()))

    def _show_keys(self) -> None:
        self.query_one(KeyFooter).set_keys(self.key_hints())

    def inviting(self, fact: str, invitation: str) -> str:
        """Say that a list has no row, and which key adds one, unless nothing may be changed now, as in the past."""
        return fact if self.console_app.refusal else f"{fact} {with_keys(invitation)}"

    def set_title(self, pane: Widget, title: str, subtitle: str = "") -> None:
        """Name a pane; its age joins the subtitle once it is stale."""
        self._titles[pane] = (title, subtitle)

    @staticmethod
    def filter_words(table: LiveTable) -> str:
        """Name the filter of a list for its frame; empty without a filter."""
        return f"/{table.filter_words}: {len(table.rows)} of {table.n_all_rows}" if table.filter_words else ""

    def tick(self) -> None:
        """Update the age of each pane and the clock; sends nothing unless a word changes."""
        app = self.console_app
        sampled = self.sampled_panes()
        old = {self.query_one(pane) for pane, part in self.PARTS.items() if part in self.snapshot.unreadable}
        for pane, (title, subtitle) in self._titles.items():
            silent = app.sample_silence() if pane in sampled else app.silence()
            stale = "cannot be read, old" if pane in old else stale_text(silent)
            pane.set_class(stale is not None, "-stale")
            room = pane.outer_size.width - FRAME_CELLS
            fitted = shorten(title, room, ellipsis=app.glyphs.ellipsis) if room > 0 else title  # hidden: not laid out
            hidden = pane.order_out_of_sight if isinstance(pane, LiveTable) else ""
            words = "  ".join(filter(None, (subtitle, hidden)))
            if stale and room > 0:  # the age is the point: it must not be cut off the end
                words = shorten(words, max(room - len(stale) - 2, 1), ellipsis=app.glyphs.ellipsis)
            write_frame(pane, title=fitted, subtitle="  ".join(filter(None, (words, stale))))
        self._show_status()

    def say(self, text: str, tone: str = "") -> None:
        """Show an answer above the keys for a while."""
        self.query_one(KeyFooter).say(text, tone)
        if self._sentence_expiry is not None:
            self._sentence_expiry.stop()
        self._sentence_expiry = self.set_timer(SENTENCE_SECONDS, lambda: self.say("")) if text else None
