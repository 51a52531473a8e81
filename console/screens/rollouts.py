"""Screen 4: candidates against live versions: traffic, evidence, the next decision, and the way back."""

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from console.presentation import rollout_evidence, rollout_progress, rollouts
from console.screens.base import ConsoleScreen
from console.verbs.rollout import ROLLOUT
from console.verbs.verb import Things
from console.verbs.view import EVIDENCE
from core.rollout import Rollout
from core.view.snapshot import Snapshot
from themes import screen_sheet
from widgets.line import Line
from widgets.lines_pane import Caption, LinesPane
from widgets.live_table import LiveTable
from widgets.progress_line import ProgressLine

NONE_YET = "No rollout yet."
STARTS_ONE = "3 shows the versions; {registry.canary} starts a canary of the selected version."


class RolloutsScreen(ConsoleScreen):
    """Watch a candidate, advance it, hold it, roll it back."""

    NAME = "rollouts"
    COUNTS_SECONDS = True
    SAVED_AS = {"#rollouts": "rollouts"}
    CSS_PATH = screen_sheet(NAME)
    AUTO_FOCUS = "#rollouts"  # the metrics above it have the focus
    NOUNS = (ROLLOUT, EVIDENCE)
    PARTS = dict.fromkeys(("#rollout", "#rollout-lines", "#guards", "#rollouts", "#events"), "rollouts")

    def __init__(self) -> None:
        super().__init__()
        self._known: set[str] = set()  # the rollouts shown before

    def compose_body(self) -> ComposeResult:
        """Yield the rollout under the cursor on top, its metrics below, then all rollouts and the events."""
        with Vertical(id="rollout", classes="pane side"):
            yield ProgressLine(id="progress")
            yield Caption(id="rollout-lines")
        yield LiveTable(
            rollout_evidence.GUARD_COLUMNS, empty="Nothing has been judged yet.", id="guards", classes="pane side"
        )
        with Horizontal(classes="list-and-details"):
            yield LiveTable(
                rollouts.COLUMNS,
                empty=NONE_YET,
                id="rollouts",
                classes="pane main",
            )
            yield LinesPane(id="events", classes="pane details")

    def main_table(self) -> LiveTable:
        """Return the list of rollouts."""
        return self.query_one("#rollouts", LiveTable)

    def show(self, snapshot: Snapshot) -> None:
        """Bring the panes in line with a snapshot."""
        table, app = self.main_table(), self.console_app
        absence = snapshot.absence
        ordered = rollouts.active_first(snapshot.rollouts)
        table.set_rows(rollouts.rollout_rows(ordered, app.now(), app.glyphs, absence=absence))
        self._turn_to_what_started(snapshot)
        n_active = sum(rollout.is_active for rollout in snapshot.rollouts)
        self.set_title(table, "Rollouts", self.filter_words(table) or f"{n_active} active")
        self._show_rollout()

    def tick(self) -> None:
        """Name the key that starts a canary only where it would."""
        super().tick()
        self.main_table().empty = self.inviting(NONE_YET, STARTS_ONE)

    def _turn_to_what_started(self, snapshot: Snapshot) -> None:
        """Put the cursor on a newly started rollout, unless it is on an active rollout."""
        ids = {rollout.rollout_id for rollout in snapshot.rollouts}
        new = next((each for each in snapshot.rollouts if each.is_active and each.rollout_id not in self._known), None)
        selected = self.selected_rollout()
        if self._known and new is not None and (selected is None or not selected.is_active):
            self.main_table().move_to(new.rollout_id)
        self._known |= ids

    def _show_rollout(self, *, from_top: bool = False) -> None:
        pane, table, events = (
            self.query_one("#rollout"),
            self.query_one("#guards", LiveTable),
            self.query_one("#events", LinesPane),
        )
        rollout, app = self.selected_rollout(), self.console_app
        for each in (pane, table):
            each.set_class(rollout is None, "-empty")
        self.set_title(events, "Events")
        if rollout is None:
            events.show([Line((("No event yet.", "muted"),))])
            return
        absence = self.snapshot.absence
        self.set_title(pane, rollouts.title(rollout, app.glyphs, absence=absence))
        label, done, tone = rollout_progress.progress(rollout)
        self.query_one(ProgressLine).set_progress(label, done, tone=tone)
        self.query_one("#rollout-lines", Caption).show(
            rollout_progress.summary_lines(rollout, app.now(), app.glyphs, absence=absence)
        )
        table.set_rows(rollout_evidence.guard_rows(rollout, app.glyphs))
        self.set_title(table, f"Stable {rollout.stable}, candidate {rollout.candidate}")
        events.show(rollout_evidence.detail_lines(rollout), from_top=from_top)

    def selected_rollout(self) -> Rollout | None:
        """Return the rollout under the cursor."""
        return self.snapshot.rollout(self.main_table().cursor_key or "")

    def under_cursor(self) -> Things:
        """Return the rollout under the cursor."""
        return {ROLLOUT: self.selected_rollout()}

    @on(LiveTable.RowHighlighted, "#rollouts")
    def _another_rollout(self) -> None:
        self._show_rollout(from_top=True)
        self.show_standing()
        self.tick()

    @on(LiveTable.RowChosen, "#rollouts")
    def _row_chosen(self) -> None:
        self._open_details()
        self.query_one("#events").focus()

    def why(self) -> tuple[str, Sequence[Line]] | None:
        """Show the evidence of the verdict: every guard, the rules, the events."""
        rollout, app = self.selected_rollout(), self.console_app
        if rollout is None:
            return None
        absence = self.snapshot.absence
        title = f"Why: {rollout.rollout_id} {rollout.model} {rollout.candidate}"
        return title, rollout_evidence.evidence_lines(rollout, app.now(), app.glyphs, absence=absence)
