"""Retrainings: what triggered each, its steps with their reasons, and which one waits for a person."""

from collections.abc import Callable, Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from console.presentation import retrainings
from console.screens.base import ConsoleScreen
from console.verbs.retraining import RETRAINED, RETRAINING
from console.verbs.verb import Things
from console.verbs.view import EVIDENCE
from core.retraining.document import Retraining
from core.view.snapshot import Snapshot
from themes import screen_sheet
from widgets.line import Line
from widgets.lines_pane import Caption, LinesPane
from widgets.live_table import LiveTable

STARTS_ONE = "3 shows the models; {registry.retrain} trains the selected one anew, and a policy does so by itself."


class RetrainingsScreen(ConsoleScreen):
    """Follow a retraining, approve its new version, hold it, cancel it."""

    NAME = "retrainings"
    COUNTS_SECONDS = True
    IN_ROW = "rollouts"
    SAVED_AS = {"#retrainings": "retrainings"}
    CSS_PATH = screen_sheet(NAME)
    AUTO_FOCUS = "#retrainings"  # the steps above it have the focus
    NOUNS = (RETRAINING, RETRAINED, EVIDENCE)
    PARTS = dict.fromkeys(("#retraining", "#retraining-lines", "#steps", "#retrainings", "#events"), "retrainings")

    def compose_body(self) -> ComposeResult:
        """Yield the retraining under the cursor on top, its steps below, then all retrainings and the events."""
        with Vertical(id="retraining", classes="pane side"):
            yield Caption(id="retraining-lines")
        yield LiveTable(retrainings.STEP_COLUMNS, empty="No step has begun.", id="steps", classes="pane side")
        with Horizontal(classes="list-and-details"):
            yield LiveTable(retrainings.COLUMNS, empty=retrainings.NONE_YET, id="retrainings", classes="pane main")
            yield LinesPane(id="events", classes="pane details")

    def main_table(self) -> LiveTable:
        """Return the list of retrainings."""
        return self.query_one("#retrainings", LiveTable)

    def show(self, snapshot: Snapshot) -> None:
        """Bring the panes in line with a snapshot."""
        table, app = self.main_table(), self.console_app
        ordered = retrainings.active_first(snapshot.retrainings)
        table.set_rows(retrainings.retraining_rows(ordered, app.now(), app.glyphs, absence=snapshot.absence))
        n_active = sum(each.is_active for each in snapshot.retrainings)
        self.set_title(table, "Retrainings", self.filter_words(table) or f"{n_active} active")
        self._show_retraining()

    def tick(self) -> None:
        """Name the key that starts a retraining only where it would."""
        super().tick()
        self.main_table().empty = self.inviting(retrainings.NONE_YET, STARTS_ONE)

    def _show_retraining(self, *, from_top: bool = False) -> None:
        pane, steps, events = (
            self.query_one("#retraining"),
            self.query_one("#steps", LiveTable),
            self.query_one("#events", LinesPane),
        )
        found, app = self.selected_retraining(), self.console_app
        for each in (pane, steps):
            each.set_class(found is None, "-empty")
        self.set_title(events, "Events")
        if found is None:
            events.show([Line((("No event yet.", "muted"),))])
            return
        absence = self.snapshot.absence
        self.set_title(pane, retrainings.title(found, app.glyphs, absence=absence))
        self.query_one("#retraining-lines", Caption).show(
            retrainings.summary_lines(found, app.now(), app.glyphs, absence=absence)
        )
        steps.set_rows(retrainings.step_rows(found, app.glyphs))
        self.set_title(steps, "Steps")
        events.show(retrainings.detail_lines(found), from_top=from_top)

    def selected_retraining(self) -> Retraining | None:
        """Return the retraining under the cursor."""
        return self.snapshot.retraining(self.main_table().cursor_key or "")

    def under_cursor(self) -> Things:
        """Return the retraining under the cursor, and its model."""
        found = self.selected_retraining()
        return {RETRAINING: found, RETRAINED: None if found is None else found.model}

    @on(LiveTable.RowHighlighted, "#retrainings")
    def _another_retraining(self) -> None:
        self._show_retraining(from_top=True)
        self.show_standing()
        self.tick()

    @on(LiveTable.RowChosen, "#retrainings")
    def _row_chosen(self) -> None:
        self._open_details()
        self.query_one("#events").focus()

    def why(self) -> tuple[str, Sequence[Line] | Callable[[], Sequence[Line]]] | None:
        """Show every step with its figures, and when the next retraining of the model is due and why not now."""
        found, app = self.selected_retraining(), self.console_app
        if found is None:
            return None
        workspace, now, glyphs, is_past = app.workspace, app.now(), app.glyphs, app.playback.at is not None

        def find() -> Sequence[Line]:
            from core.errors import CoreError
            from core.retraining.planning import plan_of

            try:
                plan = None if is_past else plan_of(workspace, found.model, now=now)
            except CoreError:
                plan = None  # the policy cannot be read, or the model is gone: the steps are shown all the same
            return retrainings.evidence_lines(found, glyphs, plan)

        return f"Why: {found.retraining_id} {found.model}", find
