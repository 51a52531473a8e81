"""Screen 5: which alerts fire, since when, who acknowledged them, and what to do."""

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal

from console.navigation import open_alert
from console.presentation import alerts
from console.screens.base import ConsoleScreen
from console.screens.marking import marked_words, toggled
from console.verbs.alert import ALERT, AlertGroup
from console.verbs.session import SESSION
from console.verbs.suspect import SUSPECT
from console.verbs.verb import Things
from console.verbs.view import EVIDENCE
from core.alerts import Alert
from core.view.snapshot import Snapshot
from core.view.suspects import suspect_of
from themes import screen_sheet
from widgets.line import Line
from widgets.lines_pane import LinesPane
from widgets.live_table import LiveTable


class AlertsScreen(ConsoleScreen):
    """Alerts, with the way to their suspects and to the rollback."""

    NAME = "alerts"
    CSS_PATH = screen_sheet(NAME)
    NOUNS = (ALERT, SUSPECT, SESSION, EVIDENCE)
    PARTS = dict.fromkeys(("#alerts", "#details"), "alerts")

    def __init__(self) -> None:
        super().__init__()
        self._marked: tuple[str, ...] = ()

    def compose_body(self) -> ComposeResult:
        """Yield the alerts, and the advice on the alert under the cursor beside them."""
        with Horizontal(classes="list-and-details"):
            yield LiveTable(alerts.COLUMNS, empty="No recent alerts.", id="alerts", classes="pane main")
            yield LinesPane(id="details", classes="pane details")

    def main_table(self) -> LiveTable:
        """Return the list of alerts."""
        return self.query_one("#alerts", LiveTable)

    def show(self, snapshot: Snapshot) -> None:
        """Bring the panes in line with a snapshot."""
        table = self.main_table()
        app = self.console_app
        table.set_rows(
            alerts.alert_rows(snapshot, app.now(), app.glyphs, marked=[each.fingerprint for each in self._group()])
        )
        n_open = sum(alert.state.is_open for alert in snapshot.alerts)
        self.set_title(table, "Alerts", self._words(table, f"{n_open} open"))
        self._show_details()

    def _words(self, table: LiveTable, counted: str) -> str:
        return "  ".join(filter(None, (marked_words(len(self._group())), self.filter_words(table) or counted)))

    def _show_details(self, *, from_top: bool = False) -> None:
        pane = self.query_one("#details", LinesPane)
        alert = self.selected_alert()
        if alert is None:
            pane.show([Line((("All is well.", "muted"),))])
        else:
            pane.show(alerts.detail_lines(alert, self.snapshot, self.console_app.glyphs), from_top=from_top)
        self.set_title(pane, "What to do")

    def selected_alert(self) -> Alert | None:
        """Return the alert under the cursor."""
        key = self.main_table().cursor_key
        return next((alert for alert in self.snapshot.alerts if alert.fingerprint == key), None)

    def under_cursor(self) -> Things:
        """Return the alert under the cursor, and the version or the session that it is about."""
        alert = self.selected_alert()
        if alert is None:
            return {ALERT: None, SUSPECT: None, SESSION: None}
        return {
            ALERT: self._group() or (alert,),
            SUSPECT: suspect_of(alert, self.snapshot),
            SESSION: alerts.session_of(alert, self.snapshot),
        }

    def _group(self) -> AlertGroup:
        """Return the marked alerts that are open: there is nothing to decide about the others."""
        by_key = {alert.fingerprint: alert for alert in self.snapshot.alerts if alert.state.is_open}
        return tuple(by_key[key] for key in self._marked if key in by_key)

    def action_mark(self) -> None:
        """Mark the alert under the cursor, or remove its mark."""
        alert = self.selected_alert()
        if alert is not None and not alert.state.is_open:
            self.say(f"This alert is {alert.state}: there is nothing to decide.", "muted")
        elif alert is not None:
            self._marked = toggled(self._marked, alert.fingerprint)
            self.refresh_all()

    def leave_view(self) -> bool:
        """Clear the marks."""
        if not self._marked:
            return False
        self._marked = ()
        self.refresh_all()
        return True

    @on(LiveTable.RowHighlighted, "#alerts")
    def _another_alert(self) -> None:
        self._show_details(from_top=True)
        self.show_standing()
        self.tick()

    @on(LiveTable.RowChosen, "#alerts")
    async def _row_chosen(self) -> None:
        if (alert := self.selected_alert()) is not None:
            await open_alert(self.console_app, alert)

    def why(self) -> tuple[str, Sequence[Line]] | None:
        """Say what was measured and what to do."""
        alert = self.selected_alert()
        if alert is None:
            return None
        return f"Why: {alert.rule}", alerts.detail_lines(alert, self.snapshot, self.console_app.glyphs)
