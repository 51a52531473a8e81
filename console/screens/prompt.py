"""The row that takes the footer's place while something is typed: the `/` filter and the `:` command line."""

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Protocol

from rich.cells import cell_len
from textual.binding import Binding, BindingType
from textual.containers import Horizontal

from console.context import CommandEntry
from widgets.line import Line, Span, shorten
from widgets.lines_pane import Caption

if TYPE_CHECKING:
    from textual.widgets import Input

_LEAST_CANDIDATE = 13
_N_LONG_CANDIDATES = 3
_GAP = 2


class Asking(StrEnum):
    """The kind of prompt, by the sign before it."""

    FILTER = "/"
    COMMAND = ":"


class Asker(Protocol):
    """The screen that asks. It is called, not sent messages, which the keys behind Enter and Esc would overtake."""

    def filter_edited(self, text: str) -> None:
        """Filter by what has been typed so far."""
        ...

    def prompt_entered(self, asking: Asking, text: str) -> None:
        """Take the line."""
        ...

    def prompt_left(self, asking: Asking) -> None:
        """Do without."""
        ...


class Prompt(Horizontal):
    """The prompt row, hidden until it is opened; completions appear beside the field."""

    # The focus is in the field; keys bubble from there to this row.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "step(1)", show=False, priority=True),
        Binding("shift+tab", "step(-1)", show=False, priority=True),
        Binding("up", "recall(-1)", show=False),
        Binding("down", "recall(1)", show=False),
        Binding("escape", "abandon", show=False, priority=True),
    ]

    def __init__(self, commands: CommandEntry, asker: Asker) -> None:
        """Take the command line with its completions and history, which every screen shares, and the screen."""
        super().__init__(id="prompt")
        self._asker = asker
        self._commands = commands
        self._place = 0
        self._asking: Asking | None = None
        self._candidates: tuple[str, ...] = ()
        self._candidate = -1
        # The text of the field that the candidates belong to: a key in one burst with others comes before its change.
        self._completed = ""

    @property
    def asking(self) -> Asking | None:
        """The kind of the open prompt, or None."""
        return self._asking

    @property
    def _field(self) -> "Input":
        from textual.widgets import Input

        return self.query_one("#prompt-input", Input)

    @property
    def _history(self) -> list[str]:
        return self._commands.filters if self._asking is Asking.FILTER else self._commands.history

    async def ask(self, asking: Asking) -> None:
        """Open the row with an empty field."""
        if not self.children:
            await self._fill()
        self._asking = asking
        self._place = len(self._history)
        self.screen.add_class("-asking")
        self.query_one("#prompt-sign", Caption).show([Line(((asking.value, "key"),))])
        self._put("")
        self.screen.set_focus(self._field)  # immediately: keys typed after the sign belong in the field
        self._find_candidates()

    async def _fill(self) -> None:
        """Add the sign, the field and the hint; few first frames need them."""
        from console.screens.prompt_field import PromptField

        field = PromptField(id="prompt-input", entered=self._submit)
        await self.mount(Caption(id="prompt-sign"), field, Caption(id="prompt-said"))

    def action_step(self, steps: int) -> None:
        """Insert the next completion; a single completion moves on to the next word."""
        if self._field.value != self._completed:
            self._find_candidates()
        if not self._candidates:
            return
        self._candidate = (self._candidate + steps) % len(self._candidates)
        self._put(self._candidates[self._candidate])
        self._completed = self._field.value
        if len(self._candidates) == 1:
            self._find_candidates()
        else:
            self._show_candidates()

    def action_recall(self, steps: int) -> None:
        """Insert an earlier line of the same kind; a filter takes effect immediately."""
        if not self._history:
            return
        self._place = max(0, min(len(self._history) - 1, self._place + steps))
        self._put(self._history[self._place])
        if self._asking is Asking.FILTER:
            self._asker.filter_edited(self._history[self._place])
        self._find_candidates()

    def action_abandon(self) -> None:
        """Close the row without effect."""
        if (asked := self._close()) is not None:
            self._asker.prompt_left(asked)

    def _close(self) -> Asking | None:
        asked, self._asking = self._asking, None
        self.screen.remove_class("-asking")
        return asked

    def _put(self, text: str) -> None:
        field = self._field
        with field.prevent(field.Changed):
            field.value = text
        self._field.cursor_position = len(text)

    def on_input_changed(self, event: "Input.Changed") -> None:
        """Filter, or complete, with each letter."""
        event.stop()
        if self._asking is Asking.FILTER:
            self._asker.filter_edited(self._field.value)
        if self._field.value != self._completed:  # a Tab behind the letter may have completed it already
            self._find_candidates()

    def on_resize(self) -> None:
        """Offer what fits: a row that was hidden has no width before it is shown."""
        if self._asking is not None:
            self._show_candidates()

    def _submit(self, text: str) -> None:
        """Hand the line on."""
        if text.strip() and self._history[-1:] != [text]:
            self._history.append(text)
        if (asked := self._close()) is not None:
            self._asker.prompt_entered(asked, text)

    def _find_candidates(self) -> None:
        self._candidate = -1
        self._completed = self._field.value
        self._candidates = tuple(self._commands.complete(self._completed)) if self._asking is Asking.COMMAND else ()
        self._show_candidates()

    def _show_candidates(self) -> None:
        if self._asking is Asking.FILTER:
            spans: list[Span] = [("Enter keeps it, Esc clears it", "muted")]
        else:
            words = [line.rstrip().rsplit(" ", 1)[-1] for line in self._candidates]
            spans = candidate_spans(
                words, self._candidate, self.query_one("#prompt-said").size.width or self.size.width // 2
            )
        self.query_one("#prompt-said", Caption).show([Line(tuple(spans))] if spans else [])


def candidate_spans(words: Sequence[str], chosen: int, width: int) -> list[Span]:
    """Draw as many completions as fit, the chosen one among them; long names are cut in the middle.

    >>> [text for text, _ in candidate_spans(["spread", "emea_spread_long_07"], -1, 24)]
    ['spread  ', 'emea_s…ong_07  ']
    """
    longest = max(_LEAST_CANDIDATE, width // _N_LONG_CANDIDATES - _GAP)
    shown = [(index, f"{shorten(word, longest)}  ") for index, word in enumerate(words)]
    while len(shown) > 1 and sum(cell_len(text) for _, text in shown) - _GAP > width:
        shown.pop(0 if shown[-1][0] <= chosen else -1)
    return [(text, "strong" if index == chosen else "muted") for index, text in shown]
