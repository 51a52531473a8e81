"""Saved views: the list of them, and one of them as a desk's own front page, composed of panes of the other screens."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from typing_extensions import override

from console.navigation import open_alert, open_model
from console.presentation import alerts, drift, health, saved_views, view_panes
from console.presentation.charts import Chart
from console.presentation.phrases import counted
from console.presentation.view_panes import COURSE, DRAWN
from console.screens.base import ConsoleScreen
from console.screens.decided import DecidedAlerts
from console.verbs.alert import ALERT
from console.verbs.chosen import Chosen
from console.verbs.retraining import RETRAINED
from console.verbs.suspect import SUSPECT
from console.verbs.verb import Things
from console.verbs.version import MODEL, MOVED, ModelRow
from console.verbs.view import EVIDENCE
from core.alerts import Alert, AlertState
from core.monitoring.documents import VersionMonitoring
from core.saved_views import SavedView, ViewPane
from core.view.narrowing import NarrowedSnapshot, narrowed
from core.view.snapshot import Snapshot
from core.view.suspects import VersionStanding, standing_of, suspect_of
from themes import screen_sheet
from widgets.line import Line, Span
from widgets.line_chart import LineChart
from widgets.lines_pane import Caption
from widgets.live_table import LiveTable
from widgets.painted import Painted

LEAST_ROWS = 5
"""The rows of an open pane, its frame and its head among them; a pane without as many is folded to its title."""
FRAME_AND_HEAD = 3
TWO_COLUMNS = ("-wide", "-huge")


class PanesRoom(Horizontal):
    """The room of the panes, which tells when it has another size: it has none until its view has been laid out."""

    def __init__(self, share: Callable[[], None]) -> None:
        """Make it.

        Args:
            share: Shares the room among the panes.
        """
        super().__init__(id="view-panes")
        self._share = share

    def on_resize(self, event: events.Resize) -> None:
        """Share it anew."""
        self.call_after_refresh(self._share)


class ViewScreen(ConsoleScreen):
    """Open a view, or choose one from the list."""

    NAME = "view"
    IN_ROW = "overview"
    CSS_PATH = screen_sheet(NAME)
    AUTO_FOCUS = "#views"
    NOUNS = (SUSPECT, MODEL, MOVED, ALERT, RETRAINED, EVIDENCE)
    PARTS: ClassVar = {"#views": "views"}

    def __init__(self) -> None:
        super().__init__()
        self._view: SavedView | None = None
        self._panes: list[tuple[ViewPane, Painted]] = []
        self._n_built = 0
        self._typed = ""
        self._found: NarrowedSnapshot | None = None
        self._decided = DecidedAlerts()
        self._entered: LiveTable | None = None
        """The pane that had the focus last."""

    def compose_body(self) -> ComposeResult:
        """Yield the list of views, and the room for the panes of one."""
        yield LiveTable(saved_views.LIST_COLUMNS, empty=saved_views.NONE_YET, id="views", classes="pane main")
        yield Caption(id="view-words")
        with PanesRoom(self._share_room):
            yield Vertical(id="view-left", classes="view-column")
            yield Vertical(id="view-right", classes="view-column")

    # Which view

    @property
    def view(self) -> SavedView | None:
        """The view that is open; None while the list is shown."""
        return self._view

    def open_view(self, name: str) -> None:
        """Open a view; "" shows the list of views."""
        found = next((view for view in self.console_app.newest.views if view.name == name), None)
        self._typed = ""
        self._build(found)
        self.unzoom()
        self.main_table().focus()

    def _build(self, view: SavedView | None) -> None:
        """Make the panes of a view."""
        self._view = view
        self.set_class(view is not None, "-opened")
        for _, drawn in self._panes:
            self._titles.pop(drawn, None)
            drawn.remove()
        self._panes = []
        self._n_built += 1
        panes = view_panes.known_panes(view) if view is not None else ()
        n_left = (len(panes) + 1) // 2
        for place, pane in enumerate(panes):
            drawn = self._drawn(pane, f"pane-{self._n_built}-{place}")
            self._panes.append((pane, drawn))
            self.query_one("#view-left" if place < n_left else "#view-right").mount(drawn)
        self.set_class(len(panes) == 1, "-single")
        self.show_now()
        self.call_after_refresh(self._share_room)

    @staticmethod
    def _drawn(pane: ViewPane, widget_id: str) -> Painted:
        if pane.pane == COURSE:
            return LineChart(x_title="hours", empty="No outcome yet.", id=widget_id, classes="pane")
        table = LiveTable(view_panes.columns_of(pane.pane), id=widget_id, classes="pane")
        table.choose_columns(view_panes.shown_columns(pane))
        table.own_filter = pane.filter
        table.order = view_panes.order_of(pane, table.columns)
        return table

    @override
    def name_of(self, table: LiveTable) -> str:
        """Name a list, to remember choices for it: those for a view are saved with the view."""
        return "" if table in self._tables() else super().name_of(table)

    def _tables(self) -> list[LiveTable]:
        return [table for _, table in self._panes if isinstance(table, LiveTable)]

    def _kind_of(self, table: Widget | None) -> str:
        return next((pane.pane for pane, drawn in self._panes if drawn is table), "")

    def main_table(self) -> LiveTable:
        """Return the pane in focus, else the first of the view; without a view the list of views."""
        tables = self._tables()
        entered = self._entered
        if entered is not None and entered in tables:  # the prompt takes the focus for a while, and acts on this pane
            return entered
        return tables[0] if tables else self.query_one("#views", LiveTable)

    # What is shown

    def show(self, snapshot: Snapshot) -> None:
        """Bring the list or the panes in line with a snapshot; the view itself is always the present one."""
        app = self.console_app
        views = app.newest.views
        listed = self.query_one("#views", LiveTable)
        listed.set_rows(saved_views.list_rows(views, app.now()))
        self.set_title(listed, "Views", self.filter_words(listed) or (f"{len(views)} saved" if views else ""))
        if self._view is None:
            return
        now = next((view for view in views if view.name == self._view.name), None)
        if now is not None and now != self._view:
            self._build(now)
            self.main_table().focus()
            return
        self._show_panes(snapshot, is_deleted=now is None and "views" not in app.newest.unread)

    def _show_panes(self, snapshot: Snapshot, *, is_deleted: bool) -> None:
        app, view = self.console_app, self._view
        if view is None:
            return
        found = self._found = narrowed(snapshot, view)
        for pane, drawn in self._panes:
            if isinstance(drawn, LiveTable):
                rows, drawn.empty = view_panes.drawn_rows(pane.pane, found.snapshot, app.now(), app.glyphs)
                drawn.set_rows(rows)
                if pane.pane == "alerts":
                    self._decided.leave(drawn, found.snapshot.alerts)
                self._entitle(pane, drawn)
        self._show_course()
        gone = [*found.missing, *view_panes.missing_of(view)]
        if is_deleted:
            gone.insert(0, "the view was deleted meanwhile")
        spans: list[Span] = [(f" {view.shown_title}  ", "title"), (f"{view.brief_scope}: ", "muted")]
        spans.append((counted(len(found.models), "model"), ""))
        if gone:
            spans.append((f"  {app.glyphs.warned} {view_panes.missing_in_brief(gone, view.name)}", "warn"))
        self.query_one("#view-words", Caption).show([Line(tuple(spans))])

    def _entitle(self, pane: ViewPane, drawn: LiveTable) -> None:
        title, count = view_panes.title_of(pane), self.filter_words(drawn) or f"{len(drawn.rows)}"
        is_alerting = pane.pane == "alerts" and self._found is not None and bool(self._n_firing())
        drawn.set_class(is_alerting, "-alerting")
        words = f"{self._n_firing()} firing" if is_alerting else count
        if drawn.has_class("-folded"):  # a folded pane is its title alone
            self.set_title(drawn, f"{title}: {words}")
        else:
            self.set_title(drawn, title, words if not self.filter_words(drawn) else count)

    def _n_firing(self) -> int:
        found = self._found.snapshot.alerts if self._found is not None else ()
        return sum(alert.state is AlertState.FIRING for alert in found)

    def _show_course(self) -> None:
        """Draw the course of the model under the cursor, else of the one that is worst."""
        for pane, chart in self._panes:
            if isinstance(chart, LineChart):
                model, version = self._charted()
                course = drift.performance_chart(version) if version is not None else None
                chart.set_series(course.series if course is not None else ())
                about = f"{course.title} of {model}" if course is not None else model or ""
                self.set_title(chart, view_panes.title_of(pane), about)

    def _charted(self) -> tuple[str | None, VersionMonitoring | None]:
        if self._found is None:
            return None, None
        watched = health.worst_first(self._found.snapshot.monitoring)
        model = self._model_under_cursor() or (watched[0][0] if watched else None)
        return model, next((version for named, version in watched if named == model), None)

    @override
    def _mark_unread_panes(self) -> None:
        super()._mark_unread_panes()
        for pane, drawn in self._panes:
            drawn.notice = self.notice_of(DRAWN[pane.pane].part if pane.pane in DRAWN else "monitoring")

    # The room of each pane

    @property
    def _stands_in_two(self) -> bool:
        return any(map(self.has_class, TWO_COLUMNS)) and len(self._panes) > 1

    def _share_room(self) -> None:
        """Give every pane its rows: those that fit are open, the one in focus always; the others show their titles."""
        if not self.is_whole:
            return
        room = self.query_one("#view-panes").size.height
        left = [pane for pane in self._panes if pane[1].parent is self.query_one("#view-left")]
        right = [pane for pane in self._panes if pane not in left]
        groups = [left, right] if self._stands_in_two else [[*left, *right]]
        for group in filter(None, groups):
            wanted = [pane.rows + FRAME_AND_HEAD if pane.rows else 0 for pane, _ in group]
            focused = next((place for place, (_, drawn) in enumerate(group) if drawn is self.main_table()), 0)
            for (pane, drawn), height in zip(group, shared_rows(room, wanted, focused), strict=True):
                drawn.set_class(height == 1 and not self.is_zoomed, "-folded")
                drawn.styles.height = None if self.is_zoomed else height
                if isinstance(drawn, LiveTable):
                    self._entitle(pane, drawn)
        self.tick()  # writes the titles: a pane that opens no longer has that of a folded one

    def on_resize(self, event: events.Resize) -> None:
        """Share the room again."""
        self.call_after_refresh(self._share_room)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Open the pane that has the focus now."""
        if isinstance(event.widget, LiveTable) and event.widget in self._tables():
            self._entered = event.widget
            self._show_course()
            self.show_standing()
            self._share_room()

    @override
    def zoom(self, pane: Widget) -> None:
        """Let a pane fill the body."""
        super().zoom(pane)
        self._share_room()

    @override
    def unzoom(self) -> None:
        """Put the pane back."""
        super().unzoom()
        self.call_after_refresh(self._share_room)

    # The filter holds across all panes

    @override
    def filter_edited(self, text: str) -> None:
        """Filter every pane of the view, beside the filter that it has of its own."""
        self._typed = text.strip()
        if self._view is None:
            self.main_table().filter_words = text
        for pane, drawn in self._panes:
            if isinstance(drawn, LiveTable):
                drawn.filter_words = " ".join(filter(None, (pane.filter, self._typed)))
        self.show_now()
        self.tick()

    @override
    def _clear_filter(self) -> bool:
        if self._view is None:
            return super()._clear_filter()
        if not self._typed:
            return False
        self.filter_edited("")
        return True

    @override
    def leave_view(self) -> bool:
        """Return to the list of views."""
        if self._view is None:
            return False
        name = self._view.name
        self.open_view("")
        self.main_table().move_to(name)
        return True

    @override
    def panes_to_save(self) -> tuple[ViewPane, ...]:
        """Return the panes as they are on the screen: with the columns, the order and the filter chosen here."""
        return tuple(
            self.pane_of(pane.pane, drawn, title=pane.title, rows=pane.rows) if isinstance(drawn, LiveTable) else pane
            for pane, drawn in self._panes
        )

    # Keys

    def _model_under_cursor(self) -> str | None:
        table, found = self.main_table(), self._found
        if found is None or not self._panes or table.cursor_key is None:
            return None
        return view_panes.model_of(self._kind_of(table), table.cursor_key, found.snapshot)

    def selected_alert(self) -> Alert | None:
        """Return the alert under the cursor, in a pane of alerts."""
        table = self.main_table()
        if self._kind_of(table) != "alerts":
            return None
        return next((alert for alert in self.snapshot.alerts if alert.fingerprint == table.cursor_key), None)

    def under_cursor(self) -> Things:
        """Return what the row in focus is about: a model with its live version, or an alert with its suspect."""
        alert, model = self.selected_alert(), self._model_under_cursor()
        things: dict[Any, Any] = dict.fromkeys((MODEL, MOVED, SUSPECT, ALERT, RETRAINED))
        if alert is not None:
            suspect = suspect_of(alert, self.snapshot)
            is_live = suspect is not None and suspect.standing is VersionStanding.LIVE
            things |= {SUSPECT: suspect, ALERT: self._chosen(alert), RETRAINED: suspect.model if suspect else None}
            if suspect is not None and is_live:
                things |= {MODEL: suspect.model, MOVED: ModelRow(suspect.model, suspect.version)}
        elif model is not None:
            standing = standing_of(model, None, self.snapshot)
            things |= {MODEL: model, MOVED: ModelRow(model, standing.live or ""), SUSPECT: standing, RETRAINED: model}
        return things

    def _chosen(self, alert: Alert) -> Chosen[Alert]:
        table = self.main_table()
        rows = [row.key for row in table.rows]

        def end(done: Collection[Alert]) -> None:
            self._decided.take(alert, rows, done)
            self.refresh_all()

        return Chosen(things=(alert,), end=end)

    def why(self) -> tuple[str, Sequence[Line]] | None:
        """Explain the row in focus: an alert's rule, or the reasoning about the live version of a model."""
        if (alert := self.selected_alert()) is not None:
            lines = alerts.detail_lines(alert, self.snapshot, self.console_app.glyphs)
            return f"Why: {alert.name}", lines
        model, version = self._charted() if self._model_under_cursor() else (None, None)
        if model is None or version is None:
            return None
        return f"Why: {model} {version.version} is {version.health.state}", health.reasoning_lines(version)

    async def action_details(self) -> None:
        """Open the view under the cursor, or the screen that has the row in full, on that row."""
        table, app = self.main_table(), self.console_app
        key = table.cursor_key
        if self._view is None:
            if key is not None:
                self.open_view(key)
            return
        if key is None:
            return
        kind = self._kind_of(table)
        if (alert := self.selected_alert()) is not None:
            await open_alert(app, alert)
        elif kind == "models":
            await open_model(app, key)
        else:
            row = key if kind in ("versions", "rollouts", "retrainings", "sessions", "changes") else key.split("/")[0]
            await app.action_go(DRAWN[kind].screen)
            app.call_after_refresh(lambda: screen.show_row(row) if (screen := app.shown_screen()) else None)

    @on(LiveTable.RowChosen)
    async def _row_chosen(self) -> None:
        await self.action_details()

    @on(LiveTable.RowHighlighted)
    def _another_row(self) -> None:
        if self._panes:
            self._show_course()
        self.show_standing()
        self.tick()

    def action_charts(self) -> None:
        """Draw performance and drift of the model under the cursor on the whole screen."""
        from console.dialogs.charts import ChartsDialog

        model, version = self._charted()
        if model is None or version is None:
            self.say("No live version of this view is watched yet.", "muted")
            return

        def charts_now() -> Sequence[Chart]:
            _, watched = self._charted()
            return drift.monitoring_charts(watched) if watched is not None else ()

        self.app.push_screen(ChartsDialog(f"{model}@{version.version}", lambda _window: charts_now()))


def shared_rows(room: int, wanted: Sequence[int], focused: int) -> list[int]:
    """Share the rows of a column among its panes.

    Args:
        room: The rows of the column.
        wanted: The height that each pane asks for at most, with its frame; 0 takes what there is.
        focused: The place of the pane in focus, which is always open.

    Returns:
        The height of each pane; 1 for a pane that is folded to its title.

    >>> shared_rows(20, [0, 0, 0], 0), shared_rows(12, [0, 0, 0], 2), shared_rows(20, [6, 0], 0)
    ([7, 7, 6], [5, 1, 6], [6, 14])
    """
    n = len(wanted)
    open_ones = [focused]
    for place in range(n):
        if place != focused and (len(open_ones) + 1) * LEAST_ROWS + (n - len(open_ones) - 1) <= room:
            open_ones.append(place)
    heights = [1] * n
    spare = max(room - (n - len(open_ones)), 0)
    waiting = sorted(open_ones, key=lambda place: wanted[place] or room)
    for n_left, place in zip(range(len(waiting), 0, -1), waiting, strict=True):
        share = -(-spare // n_left)
        least = min(LEAST_ROWS, share)
        heights[place] = max(least, min(share, wanted[place] or share))
        spare -= heights[place]
    if spare > 0:
        heights[waiting[-1]] += spare
    return heights
