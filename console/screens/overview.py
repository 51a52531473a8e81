"""Screen 1: problems, live models, the training session, and the machine."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from console.navigation import open_alert, open_model
from console.presentation import alerts, audit, calm, epochs, resources, sessions, versions
from console.presentation.live_health import budget_text, health_lines, monitoring_of
from console.presentation.unattended import advice, unattended
from console.screens.base import ConsoleScreen
from console.screens.decided import DecidedAlerts
from console.verbs.alert import ALERT
from console.verbs.chosen import Chosen
from console.verbs.retraining import PROPOSAL, RETRAINED
from console.verbs.session import SESSION
from console.verbs.suspect import SUSPECT
from console.verbs.verb import Things
from console.verbs.version import MODEL, MOVED, ModelRow
from console.verbs.view import EVIDENCE
from core.alerts import Alert
from core.training.session import Session
from core.view.snapshot import EpochSeries, Snapshot
from core.view.suspects import VersionStanding, standing_of, suspect_of
from themes import screen_sheet
from widgets.bars import sparkline
from widgets.chart import STEADY
from widgets.gauges import GaugeList
from widgets.line import Line
from widgets.line_chart import LineChart
from widgets.lines_pane import Caption, LinesPane
from widgets.live_table import LiveTable
from widgets.painted import Painted
from widgets.progress_line import ProgressLine

if TYPE_CHECKING:
    from core.retraining.document import Retraining

FEW_PROBLEMS = 3
NO_MODEL = "No model is registered yet. A session registers its best models when it ends."
NO_CHANGES = (Line((("Nothing has been changed yet.", "muted"),)),)


class RecentActions(LinesPane):
    """What people changed, in whole lines; Enter opens the audit log."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "screen.details", "Open", show=False)]


class OverviewScreen(ConsoleScreen):
    """The screen that an operator reads first."""

    NAME = "overview"
    SAVED_AS = {"#wrong": "alerts", "#live": "models"}
    CSS_PATH = screen_sheet(NAME)
    NOUNS = (SUSPECT, MODEL, MOVED, ALERT, SESSION, PROPOSAL, RETRAINED, EVIDENCE)
    PARTS = {
        "#wrong": "",
        "#live": "registry",
        "#changes": "audit",
        "#session": "sessions",
        "#session-lines": "sessions",
        "#overview-chart": "epochs",
        "#gauges": "resources",
        "#resource-line": "resources",
    }

    def __init__(self) -> None:
        super().__init__()
        self._decided = DecidedAlerts()

    def compose_body(self) -> ComposeResult:
        """Yield problems and live models on the left, training and the machine on the right."""
        with Vertical(id="left"):
            yield LiveTable(
                alerts.WRONG_COLUMNS, empty="Nothing is wrong.", show_header=False, id="wrong", classes="pane"
            )
            yield LiveTable(
                versions.LIVE_COLUMNS,
                empty=NO_MODEL,
                id="live",
                classes="pane main",
            )
            yield RecentActions(id="changes", classes="pane side")
        with Vertical(id="right"):
            with Vertical(id="session", classes="pane side"):
                yield ProgressLine(id="progress")
                yield Caption(id="session-lines")
                yield LineChart(
                    x_title="epoch", y_title="%", view=STEADY, empty="No epoch has ended yet.", id="overview-chart"
                )
            yield GaugeList(id="gauges", classes="pane side")
            yield Caption(id="resource-line", classes="pane side")

    def main_table(self) -> LiveTable:
        """Return the list of live models."""
        return self.query_one("#live", LiveTable)

    def show(self, snapshot: Snapshot) -> None:
        """Bring the panes in line with a snapshot."""
        now = self.console_app.now()
        glyphs = self.console_app.glyphs
        session = snapshot.active_session()
        history: EpochSeries = snapshot.epochs.get(session.run_id or "", {}) if session else {}

        wrong = self.query_one("#wrong", LiveTable)
        is_cramped = self.has_class("-cramped")
        wrong.set_columns(alerts.CRAMPED_WRONG_COLUMNS if is_cramped else alerts.WRONG_COLUMNS)
        wrong.column_in_full = "summary"
        wrong.row_in_full = alerts.worst_key(snapshot) if self.is_small else ""
        wrong.set_rows(alerts.wrong_rows(snapshot, now, glyphs, idle=unattended(snapshot, starts_here=self._may_start)))
        self._decided.leave(wrong, snapshot.alerts)
        wrong.set_class(bool(wrong.n_all_rows), "-alerting")
        self._share_room(wrong.n_all_rows)
        self.set_title(wrong, "What is wrong", alerts.wrong_words(snapshot, wrong.n_all_rows))

        live = self.main_table()
        live.set_rows(
            versions.live_rows(
                snapshot,
                versions.trends_of(snapshot.models, history),
                now,
                glyphs,
                lambda values: sparkline(values, versions.TREND_WIDTH, glyphs=glyphs) if values else "",
            )
        )
        changes = self.query_one(RecentActions)
        changes.show(audit.change_lines(snapshot.audit, now) or NO_CHANGES)
        self.set_title(changes, "Recent operator actions")
        n_live = sum(model.production is not None for model in snapshot.models)
        n_of = f"{n_live} of {len(snapshot.models)} live" if snapshot.models else ""
        self.set_title(live, "Live models", "  ".join(filter(None, (budget_text(snapshot.drift_budget), n_of))))
        self._show_session(session, history)
        self._show_resources(snapshot)

    def tick(self) -> None:
        """Let no list without a row claim more than is known."""
        super().tick()
        self.main_table().empty = self.inviting(NO_MODEL, "{training.start_or_stop} starts one.")
        self.query_one("#wrong", LiveTable).empty = calm.nothing_wrong(self.snapshot, is_old=self.is_old)

    def _share_room(self, n_wrong: int) -> None:
        """Let the list of problems grow with them."""
        self.set_class(n_wrong == 0, "-calm")
        self.set_class(n_wrong > FEW_PROBLEMS, "-alarmed")

    def _show_session(self, session: Session | None, history: EpochSeries) -> None:
        glyphs = self.console_app.glyphs
        pane, lines = self.query_one("#session"), self.query_one("#session-lines", Caption)
        bar = self.query_one(ProgressLine)
        bar.display = session is not None
        if session is None:
            self.set_title(pane, "Training")
            lines.show([Line(((self.inviting(sessions.NONE_YET, sessions.STARTS_ONE), "muted"),))])
            self.query_one(LineChart).set_series(())
            return
        absence = self.snapshot.absence
        several = sessions.have_several_domains(self.snapshot.sessions)
        self.set_title(pane, f"Training {sessions.title(session, glyphs, absence=absence, with_domain=several)}")
        label, done, note, tone = sessions.progress(session, absence=absence)
        bar.set_progress(label, done, note, tone=tone)
        lines.show(sessions.summary_lines(session, glyphs, agents=self.snapshot.agents_of(session)))
        chart = self.query_one(LineChart)
        chart.view = epochs.epoch_axis(session)
        if session.text is not None:
            chart.set_titles(x="epoch", y="nats a token")
            chart.set_series(epochs.text_series(history, session.text.model))
        else:
            chart.set_titles(x="epoch", y="%")
            chart.set_series(epochs.attainment_series(history, epochs.models_of(session)))

    def _show_resources(self, snapshot: Snapshot) -> None:
        limits = self.console_app.settings.alerts
        gauges = self.query_one(GaugeList)
        gauges.set_gauges(resources.gauges(snapshot, limits, with_history=True))
        self.set_title(gauges, "Machine", f"network {resources.network(snapshot)}")
        line = self.query_one("#resource-line", Caption)
        line.show([resources.one_line(snapshot, limits)])
        self.set_title(line, "Machine")

    def sampled_panes(self) -> Sequence[Painted]:
        """Return the panes that age with the samples of the machine."""
        return (self.query_one(GaugeList), self.query_one("#resource-line", Caption))

    def _about(self, model: str | None) -> Things:
        """Return what a row about a model is about: its live version, if it has one."""
        if model is None:
            return dict.fromkeys((MODEL, MOVED, SUSPECT, ALERT, PROPOSAL, RETRAINED))
        standing = standing_of(model, None, self.snapshot)
        return {
            MODEL: model,
            MOVED: ModelRow(model, standing.live or ""),
            SUSPECT: standing,
            ALERT: None,
            PROPOSAL: self._proposal(model),
            RETRAINED: model,
        }

    def under_cursor(self) -> Things:
        """Return what the row in focus is about: a live model, or what an alert points at."""
        snapshot, alert = self.snapshot, self.selected_alert()
        if self.focused is not self.query_one("#wrong"):
            model = self.main_table().cursor_key
            return self._about(model)
        if (model := self._retired()) is not None:
            return self._about(model)
        if alert is None:
            return self._about(None)
        suspect, session = suspect_of(alert, snapshot), alerts.session_of(alert, snapshot)
        is_live = suspect is not None and suspect.standing is VersionStanding.LIVE
        return {
            MODEL: suspect.model if suspect and is_live else None,
            MOVED: ModelRow(suspect.model, suspect.version) if suspect and is_live else None,
            SUSPECT: suspect,
            PROPOSAL: self._proposal(alert.labels.get("model", "")),
            RETRAINED: suspect.model if suspect else None,
            ALERT: self._chosen(alert),
            **({SESSION: session} if session is not None else {}),  # else that of the pane
        }

    def _proposal(self, model: str) -> "Retraining | None":
        """Return the retraining of a model that awaits approval, if there is one."""
        from console.presentation.retrainings import awaits_a_person  # few first frames have one

        found = self.snapshot.active_retraining(model)
        return found if found is not None and awaits_a_person(found) else None

    @property
    def _may_start(self) -> bool:
        return not self.console_app.standing.read_only

    def _chosen(self, alert: Alert) -> Chosen[Alert]:
        """Return the alert for a decision, after which the cursor goes on to the next open alert."""
        rows = [row.key for row in self.query_one("#wrong", LiveTable).rows]

        def end(done: Collection[Alert]) -> None:
            self._decided.take(alert, rows, done)
            self.refresh_all()

        return Chosen(things=(alert,), end=end)

    def _retired(self) -> str | None:
        """Return the model under the cursor of the list of problems, if it is there because no version is live."""
        key = self.query_one("#wrong", LiveTable).cursor_key or ""
        return key.removeprefix(alerts.NO_LIVE) if key.startswith(alerts.NO_LIVE) else None

    def selected_alert(self) -> Alert | None:
        """Return the alert under the cursor of the list of problems."""
        key = self.query_one("#wrong", LiveTable).cursor_key
        return next((alert for alert in self.snapshot.alerts if alert.fingerprint == key), None)

    def why(self) -> tuple[str, Sequence[Line]] | None:
        """Explain the row in focus: an alert's rule, or the gates of the live version."""
        glyphs = self.console_app.glyphs
        if self.focused is self.query_one("#wrong"):
            if (alert := self.selected_alert()) is not None:
                return f"Why: {alert.name}", alerts.detail_lines(alert, self.snapshot, glyphs)
            if self.query_one("#wrong", LiveTable).cursor_key == alerts.NO_ENGINE:
                holder = self.snapshot.engine
                title = "No engine is running" if holder is None else "The engine is silent"
                told = advice(starts_here=self._may_start) if holder is None else f"{holder.silence}."
                return title, [Line(((told, ""),))]
            if (retired := self._retired()) is not None:
                lines = alerts.retired_lines(retired, self.snapshot)
                return f"{retired} has no live version", lines
            if self.snapshot.problems:
                title = "Nothing can be recorded" if self.snapshot.unwritable else "Unreadable files"
                return title, [Line(((problem, ""),)) for problem in self.snapshot.problems]
        model = next((m for m in self.snapshot.models if m.model == self.main_table().cursor_key), None)
        version = self.snapshot.version(model.model, model.production) if model and model.production else None
        if version is not None:
            lines = versions.fact_lines(version, self.snapshot, glyphs)
            if (watched := monitoring_of(version.model, self.snapshot)) is not None:
                lines = [*health_lines(watched.health), Line(), *lines]
            return f"Why {version.model} {version.version} is live", lines
        session = self.snapshot.active_session()
        return (f"Why: {session.session_id}", sessions.detail_lines(session, glyphs)) if session else None

    async def action_details(self) -> None:
        """Open the screen that the row in focus belongs to."""
        if self.focused is self.query_one("#changes"):
            await self.console_app.action_go("audit")
            return
        if self.focused is self.query_one("#wrong"):
            if (alert := self.selected_alert()) is not None:
                await open_alert(self.console_app, alert)
            elif (retired := self._retired()) is not None:
                await open_model(self.console_app, retired)
            else:
                self.action_why()
        elif (model := self.main_table().cursor_key) is not None:
            await open_model(self.console_app, model)

    @on(LiveTable.RowChosen)
    async def _row_chosen(self) -> None:
        await self.action_details()
