"""The frame of every dialog: it ignores keys typed ahead, focuses Cancel, and closes on Esc at any time."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import ClassVar, Generic, TypeVar, cast

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widget import Widget
from typing_extensions import override

from console.context import ConsoleContext
from console.presentation.phrases import BUG
from console.presentation.status import status_of
from core.errors import CoreError
from themes import screen_sheet
from widgets.line import Line, clean
from widgets.lines_pane import Caption, wrap
from widgets.status_line import StatusLine
from widgets.textual_internals import PromptFrames
from widgets.wire import LeanScreen

log = logging.getLogger("bondx.console")

Answer = TypeVar("Answer")
_Found = TypeVar("_Found")

DEAF_SECONDS = 0.4
"""How long a dialog ignores all input but Esc once it can be read: keys typed ahead were not meant for it."""

REDRAW_KEY = "ctrl+l"
_ALWAYS_HEARD = ("escape", REDRAW_KEY)

ANSWER_SECONDS = 12.0
"""How long a read-only dialog shows the answer to a key, as long as a screen does."""
MOST_ANSWER_LINES = 3
STATUS_SECONDS = 1.0
FRAME_ROWS = 2
TITLE_MARGIN = 4
"""The cells of the frame beside its title."""


class Dialog(PromptFrames, LeanScreen, ModalScreen[Answer | None], Generic[Answer]):
    """A modal screen that returns None unless the operator confirmed."""

    CSS_PATH = screen_sheet("dialogs")
    VERTICAL_BREAKPOINTS = [(0, "-low"), (30, "-high")]
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "Cancel", show=False)]

    ignores_early_keys = True
    """Whether keys typed before it could be read are ignored."""
    deaf_seconds = DEAF_SECONDS
    """How long input is ignored once it can be read."""

    def __init__(self) -> None:
        super().__init__()
        self._listening: Timer | None = None
        self._readable_at: float | None = None
        self._title_text = ""
        self._is_left = False

    @property
    def is_open(self) -> bool:
        """Whether it still shows something: a closing dialog loses its parts one by one."""
        return self.is_attached and not self._is_left

    @property
    def context(self) -> ConsoleContext:
        """The console, as far as dialogs know it."""
        return cast("ConsoleContext", self.app)

    def compose(self) -> ComposeResult:
        """Frame the body."""
        with Vertical(id="dialog", classes="pane"):
            yield Caption(id="dialog-title")
            yield from self.compose_body()

    def compose_body(self) -> ComposeResult:
        """Yield the content of the frame."""
        raise NotImplementedError

    def on_mount(self) -> None:
        """Show the title."""
        self._fit_title()

    def on_resize(self) -> None:
        """Fit the text again."""
        self._fit_title()
        self.fit_body()

    def entitle(self, title: str) -> None:
        """Name the dialog."""
        self._title_text = clean(title)
        self._fit_title()

    def _fit_title(self) -> None:
        """Put the title into the frame, or above the text where the frame would cut it: names in it stay whole."""
        frame, above = self.query_one("#dialog"), self.query_one("#dialog-title", Caption)
        fits = cell_len(self._title_text) <= frame.outer_size.width - FRAME_ROWS - TITLE_MARGIN
        frame.border_title = Content(self._title_text if fits else "")
        above.display = not fits
        above.show([] if fits else [Line(((self._title_text, "strong"),))])

    def fit_body(self) -> None:
        """Limit the text to the room above the rows below it, so that these rows are always in view."""
        for body in self.query("#dialog-body"):
            body.styles.max_height = self.body_room

    @property
    def body_room(self) -> int:
        """The rows that the text may take."""
        rows = [row for row in self.query_one("#dialog").children if row.display and row.id != "dialog-body"]
        return max(1, self.size.height - sum(_height(row) for row in rows) - FRAME_ROWS)

    def become_readable(self) -> None:
        """Start the time in which input is ignored; called once the content is on the screen."""
        self._readable_at = self.context.monotonic()
        if self._listening is not None:
            self._listening.stop()
        self._listening = self.set_timer(self.deaf_seconds, self.begin_to_listen)

    def begin_to_listen(self) -> None:
        """Announce that keys count from now on; a dialog without an announcement does nothing."""

    def is_deaf_to(self, event: events.Event) -> bool:
        """Return whether this input must be ignored. The app asks before any other handler sees the event.

        Esc is never ignored: it confirms nothing, and the key behind it is meant for the screen. Nor is the key that
        draws the screen again.
        """
        is_input = isinstance(event, events.Key | events.Paste | events.MouseDown | events.MouseUp)
        is_heard = isinstance(event, events.Key) and event.key in _ALWAYS_HEARD
        if not (is_input and self.ignores_early_keys) or is_heard:
            return False
        return self._readable_at is None or self.context.monotonic() - self._readable_at < self.deaf_seconds

    @override
    def dismiss(self, result: Answer | None = None) -> AwaitComplete:
        """Leave with an answer; what is still being read is not shown any more."""
        self._is_left = True
        return super().dismiss(result)

    def action_cancel(self) -> None:
        """Leave without an answer."""
        self.dismiss(None)


class ReadOnlyDialog(Dialog[None]):
    """A dialog that changes nothing: it accepts keys from the start. It shows the answers to keys."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("q", "cancel", "Close", show=False)]

    ignores_early_keys = False

    def __init__(self) -> None:
        super().__init__()
        self._hint = Line()
        self._answer: Line | None = None
        self._answer_expiry: Timer | None = None

    def hint(self, line: Line) -> None:
        """Name the keys; an answer stays above them for its time."""
        self._hint = line
        self._show_hint()

    def say(self, text: str, tone: str = "") -> None:
        """Show an answer above the keys for a while."""
        if self._answer_expiry is not None:
            self._answer_expiry.stop()
        self._answer = Line(((clean(text), tone),)) if text else None
        self._show_hint()
        self._answer_expiry = self.set_timer(ANSWER_SECONDS, lambda: self.say("")) if text else None

    def _show_hint(self) -> None:
        for caption in self.query("#dialog-hint").results(Caption):  # none before the dialog is composed
            answer = wrap(self._answer, caption.size.width or 70)[:MOST_ANSWER_LINES] if self._answer else []
            caption.show([*answer, self._hint])
            caption.styles.height = len(answer) + 1
            self.fit_body()

    async def look_up(
        self, look: Callable[[], _Found], show: Callable[[_Found], None], refuse: Callable[[str], None]
    ) -> None:
        """Look something up in a thread, and show it, or why it cannot be shown; nothing once the dialog was left."""
        try:
            found = await asyncio.to_thread(look)
        except (CoreError, OSError) as error:
            answer = partial(refuse, str(error))
        except Exception:
            log.exception("The content of a dialog could not be read.")
            answer = partial(refuse, BUG)
        else:
            answer = partial(show, found)
        if self.is_open:
            answer()


class FullScreenDialog(ReadOnlyDialog):
    """A dialog as large as the screen, below the top line: the workspace, its engine and its alerts stay in view."""

    def compose(self) -> ComposeResult:
        """Keep the top line."""
        yield StatusLine(id="status")
        yield from super().compose()

    def on_mount(self) -> None:
        """Keep the top line true."""
        self._show_status()
        self.set_interval(STATUS_SECONDS, self._show_status)

    def _show_status(self) -> None:
        self.query_one(StatusLine).set_status(status_of(self.context.snapshot, self.context.circumstances()))


def _height(row: Widget) -> int:
    n_lines = row.n_lines(row.size.width or 70) if isinstance(row, Caption) else 1
    return n_lines + row.styles.margin.height
