"""Text on top of a screen: help, why, logs, the details of a conflict, a text that could not be copied."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from console.dialogs.dialog import ReadOnlyDialog
from console.runtime.background import in_background
from widgets.line import Line, key_line
from widgets.lines_pane import Caption, LinesPane


class TextDialog(ReadOnlyDialog):
    """Lines to read. It changes nothing, so it accepts keys from the start unless it is a warning."""

    AUTO_FOCUS = "#dialog-body"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,question_mark", "cancel", "Close", show=False),
        Binding("y", "copy", "Copy", show=False),
    ]

    def __init__(
        self,
        title: str,
        lines: Sequence[Line] | Callable[[], Sequence[Line]],
        *,
        is_warning: bool = False,
        at_end: bool = False,
    ) -> None:
        """Take the text, or a function that finds it in a thread while the dialog is already open.

        Keys that come meanwhile are the dialog's, not those of the screen below.
        """
        super().__init__()
        self._title = title
        self._lines = lines
        self._is_warning = self.ignores_early_keys = is_warning  # a warning must be seen first
        self._at_end = at_end

    def compose_body(self) -> ComposeResult:
        """Yield the text and the hint how to leave."""
        yield LinesPane(id="dialog-body")
        yield Caption(id="dialog-hint")

    def on_mount(self) -> None:
        """Show the text."""
        if not self.is_current:
            return  # Esc came within the frame that opened it
        self.hint(key_line(("Esc", "closes"), ("y", "copies")))
        frame = self.query_one("#dialog")
        self.entitle(self._title)
        frame.set_class(self._is_warning, "-alerting")
        if callable(self._lines):
            self.query_one("#dialog-body", LinesPane).show([Line((("Reading…", "muted"),))])
            in_background(self, partial(self.look_up, self._lines, self._show, self._refuse))
        else:
            self._show(self._lines)

    def _refuse(self, reason: str) -> None:
        self._show([Line(((reason, "bad"),))])

    def _show(self, lines: Sequence[Line]) -> None:
        body = self.query_one("#dialog-body", LinesPane)
        body.show(lines)
        if self._at_end:
            self.call_after_refresh(body.action_scroll_lines, 1_000_000)
        self.call_after_refresh(self.become_readable)

    def action_copy(self) -> None:
        """Copy the text."""
        self.context.copy(self.query_one("#dialog-body", LinesPane).text)
