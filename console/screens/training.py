"""Screen 2: sessions, the progress of one, its gates, its models and its epochs."""

from collections.abc import Callable, Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.events import ScreenResume

from console.navigation import RUNS_SCREEN
from console.presentation import epochs, sessions
from console.presentation.charts import Chart
from console.presentation.gates import judged, summary
from console.presentation.versions import TREND_WIDTH
from console.screens.base import ConsoleScreen
from console.screens.frame import READING
from console.verbs.session import SESSION
from console.verbs.verb import Things
from console.verbs.view import EVIDENCE
from core.training.session import Session
from core.view.snapshot import EpochSeries, Snapshot
from themes import screen_sheet
from widgets.bars import sparkline
from widgets.chart import STEADY
from widgets.gate_list import GateList
from widgets.line import Line
from widgets.line_chart import LineChart
from widgets.lines_pane import Caption
from widgets.live_table import LiveTable
from widgets.progress_line import ProgressLine


class TrainingScreen(ConsoleScreen):
    """Watch a training session, pause it, stop it, start another."""

    NAME = "training"
    SAVED_AS = {"#sessions": "sessions"}
    CSS_PATH = screen_sheet(NAME)
    NOUNS = (SESSION, EVIDENCE)
    PARTS = {
        **dict.fromkeys(("#session", "#session-lines", "#sessions", "#gates", "#models"), "sessions"),
        **dict.fromkeys(("#attainment", "#loss", "#epochs"), "epochs"),
    }

    def __init__(self) -> None:
        super().__init__()
        self._drawn_page: tuple[object, ...] = ()

    def compose_body(self) -> ComposeResult:
        """Yield sessions and gates on the left, models and epochs on the right."""
        with Vertical(id="session", classes="pane side"):
            yield ProgressLine(id="progress")
            yield Caption(id="session-lines")
        with Horizontal(classes="list-and-details"):
            with Vertical(id="left", classes="main"):
                yield LiveTable(
                    sessions.COLUMNS,
                    empty=sessions.NONE_YET,
                    id="sessions",
                    classes="pane",
                )
                yield GateList(empty="No gate was judged yet.", id="gates", classes="pane side")
            with Vertical(id="course", classes="details"):
                yield LiveTable(epochs.MODEL_METRIC_COLUMNS, id="models", classes="pane", empty="No epoch yet.")
                with Horizontal(id="charts"):
                    yield LineChart(
                        x_title="epoch", y_title="% of the best", view=STEADY, id="attainment", classes="pane"
                    )
                    yield LineChart(x_title="epoch", y_title="% of the first", view=STEADY, id="loss", classes="pane")
                yield LiveTable(
                    epochs.epoch_columns(()), empty="No epoch has ended yet.", sticky=True, id="epochs", classes="pane"
                )

    def main_table(self) -> LiveTable:
        """Return the list of sessions."""
        return self.query_one("#sessions", LiveTable)

    def selected_session(self) -> Session | None:
        """Return the session under the cursor."""
        return self.selected(SESSION)

    def under_cursor(self) -> Things:
        """Return the session under the cursor."""
        return {SESSION: self.snapshot.session(self.main_table().cursor_key or "")}

    def show(self, snapshot: Snapshot) -> None:
        """Bring the panes in line with a snapshot."""
        table = self.main_table()
        app, absence = self.console_app, snapshot.absence
        ordered = sessions.active_first(snapshot.sessions)
        self.set_class(any(session.parent for session in ordered), "-agents")
        table.set_columns(sessions.columns_of(ordered))
        table.set_rows(sessions.session_rows(ordered, app.now(), app.glyphs, absence=absence))
        self.set_title(table, "Sessions", self.filter_words(table))
        self._show_session(self.selected_session())

    def tick(self) -> None:
        """Name the key that starts a session only where it would."""
        super().tick()
        self.main_table().empty = self.inviting(sessions.NONE_YET, sessions.STARTS_ONE)

    def on_screen_resume(self, event: ScreenResume) -> None:
        """Follow the session under the cursor again: another screen may have followed a run of its own."""
        self._follow(self.selected_session())

    def _follow(self, session: Session | None) -> None:
        self.console_app.follow(session.run_id if session else None)

    @on(LiveTable.RowHighlighted, "#sessions")
    def _another_session(self) -> None:
        session = self.selected_session()
        self.query_one("#epochs", LiveTable).action_first()  # its cursor was on an epoch of the session before
        self._follow(session)
        self._show_session(session)
        self.show_standing()
        self.tick()

    @on(LiveTable.RowChosen, "#sessions")
    def _row_chosen(self) -> None:
        self._open_details()
        self.query_one("#models").focus()

    def _show_session(self, session: Session | None) -> None:
        glyphs = self.console_app.glyphs
        pane, lines = self.query_one("#session"), self.query_one("#session-lines", Caption)
        pane.set_class(session is None, "-empty")
        if session is None:
            return
        history: EpochSeries = self.snapshot.epochs.get(session.run_id or "", {})
        page = self.snapshot.epoch_pages.get(session.run_id or "")
        models = epochs.models_of(session)
        absence = self.snapshot.absence
        several = sessions.have_several_domains(self.snapshot.sessions)
        self.set_title(pane, sessions.title(session, glyphs, absence=absence, with_domain=several))
        label, done, note, tone = sessions.progress(session, absence=absence)
        self.query_one(ProgressLine).set_progress(label, done, note, tone=tone)
        lines.show(sessions.summary_lines(session, glyphs, agents=self.snapshot.agents_of(session)))

        gates, of_agents = self.query_one(GateList), sessions.AGENTS_HAVE if session.children else ""
        gates.notice = of_agents
        gates.set_gates(judged(session.observed.gates))
        self.set_title(gates, sessions.gates_title(session), summary(session.observed.gates, glyphs).text)

        table = self.query_one("#models", LiveTable)
        table.set_rows(
            epochs.model_metric_rows(
                session, history, lambda values: sparkline(values, TREND_WIDTH, glyphs=glyphs) if values else ""
            )
        )
        self.set_title(table, "Models")
        attainment, loss = self.query_one("#attainment", LineChart), self.query_one("#loss", LineChart)
        attainment.view = loss.view = epochs.epoch_axis(session)
        of_text = session.text is not None
        if session.text is not None:
            attainment.set_titles(x="epoch", y="nats a token")
            attainment.set_series(epochs.text_series(history, session.text.model))
            loss.set_titles(x="epoch", y="")
            loss.set_series(epochs.speed_series(history, session.text.model))
        else:
            attainment.set_titles(x="epoch", y="% of the best")
            attainment.set_series(epochs.attainment_series(history, models))
            loss.set_titles(x="epoch", y="% of the first")
            loss.set_series(epochs.loss_series(history, models))
        self.set_title(attainment, "Loss and floor by epoch" if of_text else "Attainment by epoch")
        self.set_title(loss, "Speed by epoch" if of_text else "Loss by epoch")

        is_awaited = session.run_id is not None and session.run_id not in self.snapshot.epochs
        by_epoch = self.query_one("#epochs", LiveTable)
        for pane in (attainment, loss, by_epoch):
            pane.notice = of_agents or (READING if is_awaited else self.notice_of("epochs"))
        if session.text is not None and history and not epochs.speed_series(history, session.text.model):
            loss.notice = epochs.NO_SPEED
        if by_epoch.columns != (columns := epochs.epoch_columns(models, of_text=of_text)):
            by_epoch.set_columns(columns)
        if self._drawn_page != (drawn := (page, models, session.observed.diverged, of_text)):
            self._drawn_page = drawn
            by_epoch.set_rows(epochs.page_rows(page, models, diverged=session.observed.diverged, of_text=of_text))
        self.set_title(by_epoch, "Epochs", epochs.recorded(page, is_sorted=by_epoch.order is not None))

    @on(LiveTable.RowHighlighted, "#epochs")
    def _another_epoch(self, message: LiveTable.RowHighlighted) -> None:
        """Ask for the page around the cursor when it comes near the end of the page that was read."""
        session = self.selected_session()
        if session is None or session.run_id is None or message.row_key is None or message.table.order is not None:
            return
        from core.telemetry.epoch_page import page_range

        page, epoch = self.snapshot.epoch_pages.get(session.run_id), int(message.row_key)
        if page is None or page.is_whole or page_range(page.first, page.newest, epoch) == (page.start, page.end):
            return
        self.console_app.look_around(session.run_id, None if message.table.cursor_index == 0 else epoch)

    async def action_runs(self) -> None:
        """Show the tracked runs of sessions and of people's own programs."""
        await self.console_app.action_go(RUNS_SCREEN)

    def action_charts(self) -> None:
        """Draw every metric of the session on the whole screen."""
        from console.dialogs.charts import ChartsDialog
        from console.presentation.charts import session_charts
        from console.runtime.histories import Window, histories_of

        session = self.selected_session()
        if session is None or session.run_id is None:
            self.say("There is no session whose epochs could be drawn.", "muted")
            return
        models, run_id, histories = epochs.models_of(session), session.run_id, histories_of(self.console_app)
        whole: EpochSeries = {}

        def look(window: Window) -> Sequence[Chart]:
            nonlocal whole
            history = histories([run_id], window)[run_id]
            whole = history if window is None else whole
            return session_charts(history, models, whole=whole)

        self.app.push_screen(ChartsDialog(f"{session.session_id} {session.name}", look))

    def action_trials(self) -> None:
        """Show the trials of the session's search of parameters."""
        from console.dialogs.trials import show_trials

        if (session := self.selected_session()) is None:
            self.say("There is no session whose trials could be shown.", "muted")
            return
        show_trials(self.console_app, session)

    def why(self) -> tuple[str, Sequence[Line] | Callable[[], Sequence[Line]]] | None:
        """Show everything about the session: who asked for it, its gates, its scores by slice, its settings."""
        session = self.selected_session()
        if session is None:
            return None
        workspace, glyphs, title = self.console_app.workspace, self.console_app.glyphs, f"Session {session.session_id}"
        if not session.observed.epoch:
            return title, sessions.detail_lines(session, glyphs)

        def find() -> Sequence[Line]:
            from core.explain.deny_list import DenyList
            from core.training.later_denied import epoch_as_shown
            from core.training.session_files import SessionFiles

            files, newest = SessionFiles(workspace), session.observed.epoch
            if (record := files.read_epoch(session, newest)) is not None:
                record = epoch_as_shown(record, DenyList.in_force_or_all(workspace.root))
            slices = {} if record is None else record.slices
            if session.text is None:
                return sessions.detail_lines(session, glyphs, slices=slices)
            shown = {1, (newest + 1) // 2, newest}
            written = {epoch: found.text for epoch in shown if (found := files.read_epoch(session, epoch)) is not None}
            samples = {epoch: text.samples for epoch, text in written.items() if text is not None}
            return sessions.detail_lines(session, glyphs, samples=samples)

        return title, find
