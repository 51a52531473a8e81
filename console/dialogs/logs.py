"""The logs, live: followed, searched, filtered by severity."""

import asyncio
import logging
import re
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from console.dialogs.dialog import FullScreenDialog
from console.presentation.phrases import counted
from console.runtime.background import in_background
from core.log_reading import LogFilter, LogLine, LogReader
from widgets.field import TextField
from widgets.line import Line, key_line
from widgets.lines_pane import Caption
from widgets.log_pane import MAX_LINES, Entry, LogPane

POLL_SECONDS = 0.5
_SEVERITIES = (
    (logging.NOTSET, "all lines"),
    (logging.INFO, "info and worse"),
    (logging.WARNING, "warnings and worse"),
    (logging.ERROR, "errors and worse"),
)
_HEAD = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} ([0-9]{2}:[0-9]{2}:[0-9]{2})[,.][0-9]+ +([A-Z]+) +")
_TONES = {logging.WARNING: "warn", logging.ERROR: "bad", logging.CRITICAL: "alarm", logging.DEBUG: "muted"}


class LogDialog(FullScreenDialog):
    """The newest lines of all logs, and every line that is written from then on; of the past, up to its moment."""

    AUTO_FOCUS = "LogPane"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "cancel", "Close", show=False),
        Binding("slash", "search", "Search", show=False),
        Binding("n", "find(1)", "Next", show=False),
        Binding("N", "find(-1)", "Previous", show=False),
        Binding("s", "severity", "Severity", show=False),
        Binding("y", "copy", "Copy", show=False),
    ]

    def __init__(self, folder: Path, *, until: datetime | None = None) -> None:
        """Take the folder of the logs, and the moment at which they end, if a past one is shown."""
        super().__init__()
        self._reader = LogReader(folder)
        self._until = until
        self._severity = 0
        self._sought = ""
        self._n_found = 0
        self._is_reading = False
        self._has_read = False
        self._asks = False

    def compose_body(self) -> ComposeResult:
        """Yield the lines, the state and the keys."""
        yield LogPane()
        yield Caption(id="log-state")
        yield Caption(id="dialog-hint")

    def on_mount(self) -> None:
        """Read what is there, then look for more."""
        self.entitle("Logs" if self._until is None else f"Logs until {self._until:%Y-%m-%d %H:%M:%S} UTC")
        self.become_readable()
        if self._until is None:
            self.set_interval(POLL_SECONDS, self.read_more)
        self.read_more()
        self._show_state()

    def read_more(self) -> None:
        """Read what has been written, unless that is being done."""
        if not self._is_reading:
            self._is_reading = True
            in_background(self, self._read)

    async def _read(self) -> None:
        try:
            lines = await asyncio.to_thread(self._find)
        except OSError as error:
            self.query_one("#log-state", Caption).show([Line(((f"The logs cannot be read: {error}", "bad"),))])
        else:
            if self.is_attached and (lines or not self._has_read):
                self._has_read = True
                self.query_one(LogPane).add(map(_entry, lines))
        finally:
            self._is_reading = False

    def _find(self) -> list[LogLine]:
        if not self._has_read:
            return self._reader.newest(MAX_LINES, until=self._until)
        return self._reader.poll() if self._until is None else []

    def on_unmount(self) -> None:
        """Close the files."""
        self._reader.close()

    @on(LogPane.Moved)
    def _show_state(self) -> None:
        pane = self.query_one(LogPane)
        if self._until is not None:
            state, tone = "no later lines: this is the past", "warn"
        elif pane.follows:
            state, tone = "following", "good"
        elif pane.n_unseen:
            state, tone = f"paused, {counted(pane.n_unseen, 'new line')} below; G follows", "warn"
        else:
            state, tone = "paused; G follows", "warn"
        facts = [counted(pane.n_shown, "line"), _SEVERITIES[self._severity][1]]
        if self._sought:
            facts.append(f"/{self._sought}: {counted(self._n_found, 'line')}")
        if not pane.n_shown and self._has_read:
            unwritten = "No log had been written." if self._until else "No log has been written yet."
            none = "No log line matches." if self._severity else unwritten
            facts = [none, _SEVERITIES[self._severity][1]]
        self.query_one("#log-state", Caption).show([Line(((state, tone), ("  ", ""), ("  ".join(facts), "muted")))])
        keys = (("Esc", "closes"), ("/ n N", "search"), ("s", "severity"), ("w", "cuts" if pane.wraps else "wraps"))
        self.hint(key_line(*keys, ("y", "copies")))

    def action_severity(self) -> None:
        """Show only more severe lines; after the most severe, all lines again."""
        self._severity = (self._severity + 1) % len(_SEVERITIES)
        wanted = LogFilter(_SEVERITIES[self._severity][0])
        pane = self.query_one(LogPane)
        pane.show_only(lambda entry: entry.level >= wanted.level)
        self._search()

    async def action_search(self) -> None:
        """Ask for a text to look for."""
        if not self._asks:
            self._asks = True
            field = TextField(self._sought, id="log-search", placeholder="search", entered=self._search_entered)
            await self.query_one("#dialog").mount(field)
            self.set_focus(field)

    def _search_entered(self, text: str) -> None:
        self._sought = text
        self._end_search()
        self._search()
        if self._sought and not self._n_found:
            self.query_one("#log-state", Caption).show([Line(((f"No line has “{self._sought}” in it.", "warn"),))])

    def _search(self) -> None:
        self._n_found = self.query_one(LogPane).search(self._sought)
        self._show_state()

    def _end_search(self) -> None:
        self._asks = False
        self.set_focus(self.query_one(LogPane))
        self.query(TextField).remove()

    def action_find(self, direction: int) -> None:
        """Go to the next line that has the text, or to the previous one."""
        if not self.query_one(LogPane).find(direction):
            where = "below" if direction > 0 else "above"
            words = f"No further line {where} has “{self._sought}” in it." if self._sought else "/ looks for a text."
            self.query_one("#log-state", Caption).show([Line(((words, "warn"),))])

    def action_cancel(self) -> None:
        """Leave the search, or the logs."""
        if self._asks:
            self._end_search()
        else:
            self.dismiss(None)

    def action_copy(self) -> None:
        """Copy the lines."""
        self.context.copy(self.query_one(LogPane).text)


def _entry(line: LogLine) -> Entry:
    """Spell a line shorter than its file does: the time of day, the first letter of its severity, its log.

    >>> _entry(LogLine("engine", 20, "2026-03-02 03:04:05,123 INFO    core.engine: ready")).text
    '03:04:05 I engine  core.engine: ready'
    """
    head = _HEAD.match(line.text)
    text = f"{head[1]} {head[2][0]} {line.log}  {line.text[head.end() :]}" if head else f"{line.log}  {line.text}"
    return Entry(text, _TONES.get(line.level, ""), line.level)
