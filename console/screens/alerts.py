"""Screen 5: which alerts fire, since when, who acknowledged them, and what to do."""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal

from console.navigation import open_alert
from console.presentation import alerts, calm
from console.presentation.alert_evidence import evidence_lines
from console.presentation.phrases import BUG, clock_time
from console.runtime.background import in_background
from console.screens.base import ConsoleScreen
from console.screens.decided import DecidedAlerts
from console.screens.marking import Marks, row_keys
from console.screens.prompt import Asking
from console.verbs.alert import ALERT
from console.verbs.chosen import Chosen, spared_sentences
from console.verbs.retraining import RETRAINED
from console.verbs.session import SESSION
from console.verbs.suspect import SUSPECT
from console.verbs.verb import Things
from console.verbs.view import EVIDENCE
from core.alerts import Alert
from core.alerts.evidence import AlertEvidence, evidence_of
from core.alerts.history import history_of
from core.alerts.selecting import GROUPS, looks_like_matchers, matching, naming, read_matchers
from core.errors import UsageError
from core.view.snapshot import Snapshot
from core.view.suspects import suspect_of
from themes import screen_sheet
from widgets.line import Line
from widgets.lines_pane import LinesPane
from widgets.live_table import LiveTable

NO_EVIDENCE = ("", 0)
EVIDENCE_AGE = timedelta(seconds=15)
"""How old the values of an open alert become before they are read again: as often as they are recorded."""
REST_SECONDS = 0.15
"""How long the cursor rests on an alert before its values are read: who scrolls by reads none."""
log = logging.getLogger("bondx.console")


class AlertsScreen(ConsoleScreen):
    """Alerts, with the way to their suspects and to the rollback."""

    NAME = "alerts"
    SAVED_AS = {"#alerts": "alerts"}
    CSS_PATH = screen_sheet(NAME)
    NOUNS = (ALERT, SUSPECT, SESSION, RETRAINED, EVIDENCE)
    PARTS = dict.fromkeys(("#alerts", "#details"), "alerts")

    def __init__(self) -> None:
        super().__init__()
        self._marks = Marks()
        self._decided = DecidedAlerts()
        self._group_by = ""
        self._n_left_out = 0
        self._evidence: AlertEvidence | None = None
        self._evidence_key = self._evidence_wanted = NO_EVIDENCE
        self._evidence_at = datetime.min.replace(tzinfo=UTC)

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
        if app.frozen_at is None and self._marks:
            self._marks.keep({alert.fingerprint for alert in snapshot.alerts if alert.state.is_open})
        table.set_columns(alerts.SMALL_COLUMNS if self.is_small else alerts.COLUMNS)
        table.column_in_full = "summary"
        table.row_in_full = alerts.worst_key(snapshot) if self.is_small else ""
        shows_live = not (self.is_small or self.has_class("-narrow"))
        table.takes_filter = _takes_words
        shown = self._filtered(snapshot.alerts)
        rows = alerts.alert_rows(
            snapshot,
            app.now(),
            app.glyphs,
            marked=self._marks.keys,
            shows_live=shows_live,
            shown=shown,
            group_by=self._group_by if table.order is None else "",
        )
        self._n_left_out = max(0, len(shown) - alerts.MAX_ROWS)
        table.set_rows(rows)
        self._decided.leave(table, snapshot.alerts)
        self._show_words()
        self._show_details()

    def _show_words(self) -> None:
        """Count the marks and the open alerts in the frame of the list."""
        table = self.main_table()
        counted = self.filter_words(table) or f"{alerts.n_open(self.snapshot)} open"
        if not _takes_words(table.filter_words):
            n_found = sum(not row.key.startswith(alerts.HEADING) for row in table.rows)
            counted = f"/{table.filter_words}: {n_found} of {len(self.snapshot.alerts)}"
        grouped = f"by {self._group_by}" if self._group_by else ""
        left_out = f"{self._n_left_out:,} more: filter with /" if self._n_left_out else ""
        at = self.snapshot.checked_until
        known = f"as of {clock_time(at, self.console_app.now())}" if at else ""
        words = (self._marks.words(row_keys(table)), counted, known, grouped, left_out)
        self.set_title(table, "Alerts", "  ".join(filter(None, words)))

    def _filtered(self, found: Sequence[Alert]) -> Sequence[Alert]:
        """Return the alerts that the filter means: those of its matchers, or those that may contain its words."""
        text = self.main_table().filter_words
        if not text:
            return found
        if _takes_words(text):
            return naming(found, text) if len(found) > alerts.MAX_ROWS else found
        try:
            return matching(found, read_matchers(text))
        except UsageError:  # is being typed; what is entered says what is wrong
            return ()

    def prompt_entered(self, asking: Asking, text: str) -> None:
        """Take the line; say what is wrong with matchers."""
        super().prompt_entered(asking, text)
        if asking is Asking.FILTER and not _takes_words(text):
            try:
                read_matchers(text)
            except UsageError as error:
                self.say(str(error), "warn")

    def action_group(self) -> None:
        """Group the list by the next label, at last not at all."""
        choices = ("", *GROUPS)
        self._group_by = choices[(choices.index(self._group_by) + 1) % len(choices)]
        self.show_now()
        self.say(f"Grouped by {self._group_by}." if self._group_by else "Not grouped.", "muted")

    def _show_details(self, *, from_top: bool = False) -> None:
        pane = self.query_one("#details", LinesPane)
        alert = self.selected_alert()
        if alert is None:
            pane.show([Line(((self._why_none(), "muted"),))])
        else:
            told = alerts.detail_lines(alert, self.snapshot, self.console_app.glyphs)
            pane.show([*told, *self._evidence_lines(alert, pane)], from_top=from_top)
        self.set_title(pane, "What to do")

    def _open_details(self) -> None:
        super()._open_details()
        self.call_after_refresh(self._show_details)  # once it has its size, which the values are drawn to

    def _evidence_lines(self, alert: Alert, pane: LinesPane) -> list[Line]:
        """Return what stands behind an alert as far as it was read; while the pane is shown, have it read."""
        if not (pane.display and pane.size.width):
            return []
        key, now = (alert.fingerprint, alert.revision), self.console_app.now()
        is_old = self._evidence_key != key or (
            alert.state.is_open and not timedelta() <= now - self._evidence_at < EVIDENCE_AGE
        )
        if is_old and self._evidence_wanted != key:
            self._evidence_wanted = key
            in_background(self, partial(self._read_evidence, alert, key, now), group="evidence", exclusive=True)
        evidence = self._evidence if self._evidence_key[0] == alert.fingerprint else None
        return evidence_lines(evidence, pane.size.width, self.console_app.glyphs)

    async def _read_evidence(self, alert: Alert, key: tuple[str, int], now: datetime) -> None:
        """Read what stands behind an alert in a thread, once the cursor rests on it."""
        await asyncio.sleep(REST_SECONDS)
        try:
            found = await asyncio.to_thread(evidence_of, self.console_app.workspace, alert, now)
        except Exception:
            log.exception("The evidence of an alert could not be read.")
            found = AlertEvidence(course=None, course_problem=BUG)
        self._evidence, self._evidence_key, self._evidence_at, self._evidence_wanted = found, key, now, NO_EVIDENCE
        self._show_details()

    def _why_none(self) -> str:
        """Say why no alert is selected: a filter may hide those that are there."""
        n_open, text = alerts.n_open(self.snapshot), self.main_table().filter_words
        if text and self.snapshot.alerts:
            return f"No alert matches /{text}/; {n_open} {'is' if n_open == 1 else 'are'} open."
        if n_open == 0:
            return calm.none_open(self.snapshot, is_old=self.is_old)
        return f"No alert is selected; {n_open} open."

    def tick(self) -> None:
        """Let no list without a row claim more than is known."""
        super().tick()
        self.main_table().empty = calm.no_alerts(self.snapshot, is_old=self.is_old)

    def selected_alert(self) -> Alert | None:
        """Return the alert under the cursor."""
        return alerts.by_fingerprint(self.snapshot.alerts).get(self.main_table().cursor_key or "")

    def under_cursor(self) -> Things:
        """Return the alert under the cursor, and the version, the model or the session that it is about."""
        alert = self.selected_alert()
        if alert is None:
            return {ALERT: None, SUSPECT: None, SESSION: None, RETRAINED: None}
        suspect = suspect_of(alert, self.snapshot)
        return {
            ALERT: self._chosen(alert),
            SUSPECT: suspect,
            RETRAINED: suspect.model if suspect is not None else None,
            SESSION: alerts.session_of(alert, self.snapshot),
        }

    def _chosen(self, current: Alert) -> Chosen[Alert]:
        """Return the marked alerts that are shown, or the alert under the cursor."""
        rows = self.main_table().rows
        shown = self._marks.shown(row_keys(self.main_table()))
        by_key = alerts.by_fingerprint(self.snapshot.alerts)
        unmarked = current.brief_name if shown and current.fingerprint not in shown else None
        return Chosen(
            things=tuple(by_key[key] for key in shown) or (current,),
            are_marked=bool(shown),
            spared=spared_sentences("alert", unmarked, len(self._marks.keys) - len(shown)),
            end=partial(self._end, current, [row.key for row in rows]),
        )

    def _end(self, current: Alert, shown: Sequence[str], done: Collection[Alert]) -> None:
        """End the marks of the alerts that were decided, and let the cursor go on to the next open alert."""
        self._marks.end({alert.fingerprint for alert in done})
        self._decided.take(current, shown, done)
        self.refresh_all()

    def action_mark(self) -> None:
        """Mark the alert under the cursor, or remove its mark."""
        alert = self.selected_alert()
        if alert is not None and not alert.state.is_open:
            self.say(f"This alert is {alert.state}: there is nothing to decide.", "muted")
        elif alert is not None:
            self._marks.toggle(alert.fingerprint)
            self.show_marks(self._marks.words(row_keys(self.main_table())))

    def action_mark_all(self) -> None:
        """Mark every open alert that is shown, or remove all these marks."""
        by_key = {alert.fingerprint: alert for alert in self.snapshot.alerts if alert.state.is_open}
        self._marks.toggle_all([row.key for row in self.main_table().rows if row.key in by_key])
        self.show_marks(self._marks.words(row_keys(self.main_table())))

    def clear_marks(self) -> bool:
        """Clear the marks."""
        return self._marks.clear()

    @on(LiveTable.RowHighlighted, "#alerts")
    def _another_alert(self) -> None:
        self._show_details(from_top=True)
        self.show_standing()
        self.tick()

    @on(LiveTable.RowChosen, "#alerts")
    async def _row_chosen(self) -> None:
        if (alert := self.selected_alert()) is not None:
            await open_alert(self.console_app, alert)

    def why(self) -> tuple[str, Sequence[Line] | Callable[[], Sequence[Line]]] | None:
        """Say what was measured, what to do, which columns carry it, and what has happened to the alert.

        Its history, and what its version relies on, are read in a thread.
        """
        alert = self.selected_alert()
        if alert is None:
            return None
        app, snapshot = self.console_app, self.snapshot
        told = [*alerts.detail_lines(alert, snapshot, app.glyphs), *alerts.carrying_lines(alert, snapshot)]
        suspect = suspect_of(alert, snapshot)
        version = None if suspect is None else snapshot.version(suspect.model, suspect.version)

        def find() -> list[Line]:
            from console.dialogs.text_actions import relied_on

            relied = [] if version is None else relied_on(app, version)
            return [*told, *relied, *alerts.history_lines(history_of(app.workspace, alert))]

        return f"Why: {alert.name}", find


def _takes_words(text: str) -> bool:
    """Whether a filter is words, and not matchers of labels."""
    return not looks_like_matchers(text)
