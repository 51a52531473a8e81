"""Screen 9: who changed what, when, why and on what evidence."""

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal

from console.presentation import audit
from console.screens.base import ConsoleScreen
from console.verbs.view import EVIDENCE
from core.actor import Origin
from core.governance import AuditRecord
from core.view.snapshot import Snapshot
from themes import screen_sheet
from widgets.line import Line
from widgets.lines_pane import LinesPane
from widgets.live_table import LiveTable


class AuditScreen(ConsoleScreen):
    """The newest records of the log, and the evidence packs; `bondx audit verify` proves that nobody has edited it."""

    NAME = "audit"
    SAVED_AS = {"#records": "changes"}
    CSS_PATH = screen_sheet(NAME)
    NOUNS = (EVIDENCE,)
    PARTS = dict.fromkeys(("#records", "#details"), "audit")

    def __init__(self) -> None:
        super().__init__()
        self._seen: int | None = None  # the newest record when the cursor was moved last

    def compose_body(self) -> ComposeResult:
        """Yield the records, and the record under the cursor in full beside them."""
        with Horizontal(classes="list-and-details"):
            yield LiveTable(audit.COLUMNS, empty="Nothing has been changed yet.", id="records", classes="pane main")
            yield LinesPane(id="details", classes="pane details")

    def main_table(self) -> LiveTable:
        """Return the list of records."""
        return self.query_one("#records", LiveTable)

    def show(self, snapshot: Snapshot) -> None:
        """Bring the panes in line with a snapshot."""
        table = self.main_table()
        table.set_rows(audit.audit_rows(snapshot.audit, self.console_app.now()))
        if self._seen is None:
            self._see_newest()
        words = self.filter_words(table) or f"newest {table.n_all_rows}"
        self.set_title(table, "Audit log", words + audit.newer_words(snapshot.audit, self._seen))
        self._show_details()

    def _see_newest(self) -> None:
        self._seen = self.snapshot.audit[0].sequence if self.snapshot.audit else None

    def _show_details(self, *, from_top: bool = False) -> None:
        pane = self.query_one("#details", LinesPane)
        record = self._record()
        lines = audit.detail_lines(record) if record else [Line((("No record.", "muted"),))]
        packs = audit.pack_lines(self.snapshot.packs, record, self.snapshot.workspace)
        pane.show([*lines, *packs], from_top=from_top)
        self.set_title(pane, "Record")

    def _record(self) -> AuditRecord | None:
        key = self.main_table().cursor_key
        return next((record for record in self.snapshot.audit if str(record.sequence) == key), None)

    @on(LiveTable.RowHighlighted, "#records")
    def _another_record(self) -> None:
        self._see_newest()
        self.show(self.snapshot)
        self._show_details(from_top=True)
        self.tick()

    @on(LiveTable.RowChosen, "#records")
    def _row_chosen(self) -> None:
        self._open_details()
        self.query_one("#details").focus()

    def move_to_change(self, n: int) -> None:
        """Move the cursor to the next newer change by a person, or to the next older one if negative."""
        table = self.main_table()
        by_people = {str(record.sequence) for record in self.snapshot.audit if record.origin != Origin.ENGINE}
        keys = [row.key for row in table.rows]  # the newest first, unless the list is sorted otherwise
        here = keys.index(table.cursor_key) if table.cursor_key in keys else 0
        beyond = keys[here + 1 :] if n < 0 else keys[:here][::-1]
        key = next((key for key in beyond if key in by_people), None)
        if key is None:
            self.say(f"The list has no {'earlier' if n < 0 else 'later'} change by a person.", "muted")
        else:
            table.move_to(key)

    def why(self) -> tuple[str, Sequence[Line]] | None:
        """Show the record in full, evidence included."""
        record = self._record()
        return (f"Record {record.sequence}", audit.detail_lines(record)) if record else None
