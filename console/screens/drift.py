"""Screen 6: live models by health, what each was asked and answered beside its training data, and how well it does."""

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from console.presentation import drift, health
from console.presentation.charts import Chart
from console.screens.base import ConsoleScreen
from console.verbs.retraining import RETRAINED
from console.verbs.suspect import SUSPECT
from console.verbs.verb import Things
from console.verbs.version import MODEL, MOVED, ModelRow
from console.verbs.view import EVIDENCE
from core.monitoring.documents import MonitoredColumn, VersionMonitoring
from core.view.snapshot import Snapshot
from core.view.suspects import standing_of
from themes import screen_sheet
from widgets.line import Line
from widgets.line_chart import LineChart
from widgets.lines_pane import Caption, LinesPane
from widgets.live_table import LiveTable

NONE_YET = "No version answers requests yet."
MAKES_ONE = "3 shows the versions; {registry.promote} promotes the selected one."


class DriftScreen(ConsoleScreen):
    """Find the model that is not well, the column that has moved, and since when."""

    NAME = "drift"
    SAVED_AS = {"#models": "health", "#columns": "drift"}
    CSS_PATH = screen_sheet(NAME)
    AUTO_FOCUS = "#models"
    NOUNS = (SUSPECT, MODEL, MOVED, RETRAINED, EVIDENCE)
    PARTS = dict.fromkeys(("#models", "#columns", "#column", "#course"), "monitoring")

    def compose_body(self) -> ComposeResult:
        """Yield the models on top; below them the columns of the one under the cursor, with details and course."""
        yield LiveTable(health.COLUMNS, empty=NONE_YET, id="models", classes="pane main")
        yield Caption(id="reason")
        with Horizontal(classes="list-and-details"):
            yield LiveTable(drift.COLUMNS, empty="Nothing is compared yet.", id="columns", classes="pane side")
            with Vertical(id="beside", classes="details"):
                yield LinesPane(id="column", classes="pane")
                yield LineChart(x_title="hours", empty="No outcome yet.", id="course", classes="pane side")

    def main_table(self) -> LiveTable:
        """Return the list of live models."""
        return self.query_one("#models", LiveTable)

    def show(self, snapshot: Snapshot) -> None:
        """Bring the panes in line with a snapshot."""
        table, app = self.main_table(), self.console_app
        table.set_rows(health.health_rows(snapshot.monitoring, app.now(), app.glyphs))
        counts = self.filter_words(table) or health.count_text(snapshot.monitoring)
        self.set_title(table, "Live models", "; ".join(filter(None, (counts, self._as_of()))))
        self._show_version()

    def _as_of(self, *, in_full: bool = False) -> str:
        """Say of when the verdicts are, and that no engine watches; nothing while one does."""
        app, snapshot = self.console_app, self.snapshot
        is_past = app.playback.at is not None
        return health.as_of_text(snapshot, is_past=is_past, in_full=in_full)

    def tick(self) -> None:
        """Name the key that makes a version live only where it would."""
        super().tick()
        self.main_table().empty = self.inviting(NONE_YET, MAKES_ONE)

    def _show_version(self, *, from_top: bool = False) -> None:
        """Show the columns and the course of the version under the cursor."""
        version, app = self.selected_version(), self.console_app
        reason = health.reason_text(version) if version is not None else ""
        self.query_one("#reason", Caption).show([Line(((f" {reason}", ""),))] if reason else [])
        table, chart = self.query_one("#columns", LiveTable), self.query_one("#course", LineChart)
        if version is None:
            table.set_rows(())
            self.set_title(table, "Inputs and answers")
            chart.set_series(())
            self._show_column(from_top=from_top)
            return
        rows = drift.column_rows(
            version,
            app.now(),
            app.glyphs,
            lambda values: drift.trend_line(values, drift.TREND_WIDTH, app.glyphs) if values else "",
        )
        table.set_rows(rows)
        table.empty = drift.why_nothing(version)
        if from_top and rows:
            table.move_to(rows[0].key)
        self.set_title(table, f"Inputs and answers of {self.main_table().cursor_key}", self.filter_words(table))
        course = drift.performance_chart(version)
        chart.set_series(course.series if course is not None else ())
        self.set_title(chart, "Performance", course.title if course is not None else "")
        self._show_column(from_top=from_top)

    def _show_column(self, *, from_top: bool = False) -> None:
        pane, column, version = self.query_one("#column", LinesPane), self.selected_column(), self.selected_version()
        app = self.console_app
        if column is None or version is None:
            self.set_title(pane, "Column")
            pane.show([Line((("Nothing is compared yet.", "muted"),))])
            return
        self.set_title(pane, drift.name_of(column))
        if self.is_small:  # one pane has no frame with a name, and stands for all columns
            pane.show(drift.version_lines(version, app.now(), app.glyphs), from_top=from_top)
            return
        beside = drift.together(version, column)
        pane.show(drift.column_lines(column, app.now(), app.glyphs, beside=beside), from_top=from_top)

    def selected_version(self) -> VersionMonitoring | None:
        """Return the live version under the cursor."""
        key = self.main_table().cursor_key
        found = health.worst_first(self.snapshot.monitoring)
        return next((version for model, version in found if health.key_of(model, version) == key), None)

    def selected_column(self) -> MonitoredColumn | None:
        """Return the column under the cursor."""
        version, key = self.selected_version(), self.query_one("#columns", LiveTable).cursor_key
        columns = version.drift.columns if version is not None and version.drift is not None else ()
        return next((column for column in columns if drift.key_of(column) == key), None)

    def under_cursor(self) -> Things:
        """Return the live version under the cursor, to which R and U apply."""
        key, version = self.main_table().cursor_key, self.selected_version()
        if key is None or version is None:
            return {MODEL: None, MOVED: None, SUSPECT: None, RETRAINED: None}
        model = key.rpartition("@")[0]
        standing = standing_of(model, version.version, self.snapshot)
        return {MODEL: model, MOVED: ModelRow(model, version.version), SUSPECT: standing, RETRAINED: model}

    @on(LiveTable.RowHighlighted, "#models")
    def _another_model(self) -> None:
        self._show_version(from_top=True)
        self.show_standing()
        self.tick()

    @on(LiveTable.RowHighlighted, "#columns")
    def _another_column(self) -> None:
        self._show_column(from_top=True)
        self.tick()

    @on(LiveTable.RowChosen, "#models")
    def _model_chosen(self) -> None:
        if self.is_small:  # the columns are not shown
            self._column_chosen()
        else:
            self.query_one("#columns").focus()

    @on(LiveTable.RowChosen, "#columns")
    def _column_chosen(self) -> None:
        self._open_details()
        self.query_one("#column").focus()

    def action_charts(self) -> None:
        """Draw performance and drift of the version under the cursor on the whole screen."""
        from console.dialogs.charts import ChartsDialog

        if self.selected_version() is None:
            self.say(NONE_YET, "muted")
            return
        title = f"{self.main_table().cursor_key}"
        self.app.push_screen(ChartsDialog(title, lambda _window: self._charts()))

    def _charts(self) -> Sequence[Chart]:
        version = self.selected_version()
        return drift.monitoring_charts(version) if version is not None else ()

    def why(self) -> tuple[str, Sequence[Line]] | None:
        """Tell the whole reasoning about the version under the cursor."""
        version = self.selected_version()
        if version is None:
            return None
        lines = health.reasoning_lines(version)
        if said := self._as_of(in_full=True):
            lines += [Line(), Line(((said, "warn" if self.snapshot.absence else "muted"),))]
        return f"Why: {self.main_table().cursor_key} is {version.health.state}", lines
