"""The tracked runs of sessions and of people's own programs: live, lost, nested, compared."""

from collections.abc import Callable

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.events import ScreenResume

from console.presentation import runs
from console.presentation.keys import with_keys
from console.presentation.phrases import counted
from console.screens.base import ConsoleScreen
from console.screens.marking import N_COMPARED, Marks, row_keys, runs_to_compare
from console.verbs.run import RUN
from console.verbs.verb import Things
from core.errors import UsageError
from core.tracking import Run
from core.tracking.search import parse
from core.view.snapshot import Snapshot
from themes import screen_sheet
from widgets.line import Line
from widgets.lines_pane import LinesPane
from widgets.live_table import LiveTable

NOTHING_YET = "No run is tracked yet. Every session is a run; so is any code of your own inside track()."


class RunsScreen(ConsoleScreen):
    """Watch a program that logs here, and compare two runs."""

    NAME = "runs"
    IN_ROW = "training"
    CSS_PATH = screen_sheet(NAME)
    NOUNS = (RUN,)
    PARTS = dict.fromkeys(("#runs", "#details"), "runs")

    def __init__(self) -> None:
        super().__init__()
        self._marks = Marks(limit=N_COMPARED)
        self._expression = ""
        self._matches: Callable[[Run], bool] = lambda _: True

    def compose_body(self) -> ComposeResult:
        """Yield the runs, and the run under the cursor in full beside them."""
        with Horizontal(classes="list-and-details"):
            yield LiveTable(
                runs.COLUMNS,
                empty=NOTHING_YET,
                id="runs",
                classes="pane main",
            )
            yield LinesPane(id="details", classes="pane details")

    def on_screen_resume(self, event: ScreenResume) -> None:
        """Include the runs in the snapshots while they are shown."""
        self.console_app.look_at_runs(True)

    def on_screen_suspend(self) -> None:
        """Leave the runs out of the snapshots again."""
        self.console_app.look_at_runs(False)

    def main_table(self) -> LiveTable:
        """Return the list of runs."""
        return self.query_one("#runs", LiveTable)

    def search(self, expression: str) -> None:
        """Show only the runs that match an expression; an empty expression shows all.

        Raises:
            ExpressionError: The expression cannot be parsed; the message shows where.
        """
        self._matches = parse(expression) if expression else lambda _: True
        self._expression = expression
        self.show_now()
        self.tick()

    def show(self, snapshot: Snapshot) -> None:
        """Bring the panes in line with a snapshot."""
        app, table = self.console_app, self.main_table()
        known = snapshot.runs or ()
        matching = [run for run in known if self._matches(run)]
        table.set_rows(runs.run_rows(matching, app.now(), app.glyphs, self._marks.keys, flat=table.order is not None))
        all_runs = counted(len(known), "run")
        found = f"{self._expression}: {len(matching)} of {all_runs}" if self._expression else all_runs
        words = (self._marks.words(row_keys(table)), self.filter_words(table) or found)
        self.set_title(table, "Runs", "  ".join(filter(None, words)))
        self._show_details()

    def _show_details(self, *, from_top: bool = False) -> None:
        pane, run, app = self.query_one("#details", LinesPane), self._run(), self.console_app
        if run is None:
            lines = [Line((("Select a run.", "muted"),))]
        else:
            lines = runs.detail_lines(run, self.snapshot.epochs.get(run.run_id, {}), app.now(), app.glyphs)
        pane.show(lines, from_top=from_top)
        self.set_title(pane, "Details")

    def _run(self) -> Run | None:
        return self.snapshot.run(self.main_table().cursor_key or "")

    def under_cursor(self) -> Things:
        """Return the run under the cursor."""
        return {RUN: self._run()}

    @on(LiveTable.RowHighlighted, "#runs")
    def _another_run(self) -> None:
        self.console_app.follow(self.main_table().cursor_key)
        self._show_details(from_top=True)
        self.show_standing()
        self.tick()

    @on(LiveTable.RowChosen, "#runs")
    def _row_chosen(self) -> None:
        self._open_details()
        self.query_one("#details").focus()

    def leave_view(self) -> bool:
        """Show all runs again."""
        if not self._expression:
            return False
        self.search("")
        return True

    async def action_runs(self) -> None:
        """Go back to the sessions."""
        await self.console_app.action_go(self.IN_ROW)

    def action_mark(self) -> None:
        """Mark the run for comparison, or remove its mark; a third mark replaces the first."""
        run = self._run()
        if run is not None:
            self._marks.toggle(run.run_id)
            self.show_marks(self._marks.words(row_keys(self.main_table())))

    def clear_marks(self) -> bool:
        """Clear the marks."""
        return self._marks.clear()

    def action_charts(self) -> None:
        """Draw every metric of the marked runs that are shown and of the row, the runs over each other."""
        from console.dialogs.charts import ChartsDialog
        from console.presentation.charts import line_names, run_charts
        from console.runtime.histories import histories_of

        table = self.main_table()
        wanted = {*self._marks.shown(row_keys(table)), table.cursor_key}
        names = line_names([run for run in self.snapshot.runs or () if run.run_id in wanted])
        if not names:
            self.say(with_keys("Select a run first; then {training.charts} draws its metrics."), "muted")
            return
        histories = histories_of(self.console_app)
        self.app.push_screen(
            ChartsDialog(
                ", ".join(names),
                lambda window: run_charts(
                    {names[run_id]: history for run_id, history in histories(list(names), window).items()}
                ),
            )
        )

    def action_trials(self) -> None:
        """Show the trials of the session that the run belongs to."""
        from console.dialogs.trials import show_trials

        run = self._run()
        own = {run.run_id, run.parent_id} if run is not None else set()
        session = next((each for each in self.snapshot.sessions if each.run_id in own), None)
        if session is None:
            self.say("The run belongs to no session.", "muted")
            return
        show_trials(self.console_app, session)

    def action_compare(self) -> None:
        """Compare the two marked runs, the run with the marked run, or with the run below it."""
        shown = [row.key for row in self.main_table().rows]
        try:
            older, newer = runs_to_compare(self.snapshot, self._marks.shown(shown), self._run(), shown)
        except UsageError as error:
            self.say(str(error), "warn")
        else:
            from console.dialogs.compare import compare_runs

            compare_runs(self.console_app, older, newer)
