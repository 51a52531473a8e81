"""Screen 8: stored stress tests, a heat map of scenario and sector, and how one case comes about."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.events import Resize

from console.presentation import stress
from console.runtime.background import in_background
from console.runtime.stress_reports import StressReports, words_of
from console.screens.base import ConsoleScreen
from console.screens.frame import READING
from console.verbs.stress import STRESS
from console.verbs.view import EVIDENCE
from core.domains.stress import SEVERITIES
from core.errors import CoreError
from core.stress.stored_tests import StressTest
from core.view.snapshot import Snapshot
from themes import screen_sheet
from widgets.line import Line
from widgets.lines_pane import Caption, LinesPane
from widgets.live_table import LiveTable

RUNS_ONE = "{stress.run_stress} starts one; bondx stress run --portfolio FILE stresses your own positions."


class StressScreen(ConsoleScreen):
    """Find the scenario that hurts, the sector that it hurts, and the factors and instruments that lose."""

    NAME = "stress"
    SAVED_AS = {"#tests": "stress"}
    CSS_PATH = screen_sheet(NAME)
    AUTO_FOCUS = "#tests"
    NOUNS = (STRESS, EVIDENCE)
    PARTS = dict.fromkeys(("#tests", "#heat", "#case", "#instruments"), "stress")

    def __init__(self) -> None:
        super().__init__()
        self._severity = SEVERITIES[-1]
        self._reports: StressReports | None = None
        self._reading = ""  # the hash of the report that is being read
        self._unreadable: dict[str, str] = {}  # by hash, why a report cannot be read

    def compose_body(self) -> ComposeResult:
        """Yield the tests, the heat map of the test under the cursor, and the case under the cursor."""
        yield LiveTable(stress.COLUMNS, empty=stress.NONE_YET, id="tests", classes="pane main")
        yield LiveTable(
            stress.heat_columns((), narrow=False), empty="Nothing is stressed yet.", id="heat", classes="pane side"
        )
        yield Caption(id="legend")
        with Horizontal(id="drill", classes="details"):
            yield LinesPane(id="case", classes="pane")
            yield LiveTable(
                stress.INSTRUMENT_COLUMNS, empty="Nothing is stressed yet.", id="instruments", classes="pane side"
            )

    def main_table(self) -> LiveTable:
        """Return the list of stress tests."""
        return self.query_one("#tests", LiveTable)

    def show(self, snapshot: Snapshot) -> None:
        """Bring the panes in line with a snapshot."""
        table, app = self.main_table(), self.console_app
        table.set_rows(stress.stress_rows(snapshot.stress_tests, app.now()))
        n_tests = len(snapshot.stress_tests)
        self.set_title(table, "Stress tests", self.filter_words(table) or (f"{n_tests:,} stored" if n_tests else ""))
        self._show_test()

    def tick(self) -> None:
        """Name the key that starts a test only where it would."""
        super().tick()
        self.main_table().empty = self.inviting(stress.NONE_YET, RUNS_ONE)

    @property
    def reports(self) -> StressReports:
        """The reports that were read."""
        if self._reports is None:
            self._reports = StressReports(self.console_app.workspace)
        return self._reports

    def selected_test(self) -> StressTest | None:
        """Return the test under the cursor."""
        return self.snapshot.stress_test(self.main_table().cursor_key or "")

    def _show_test(self, *, from_top: bool = False) -> None:
        test, heat = self.selected_test(), self.query_one("#heat", LiveTable)
        narrow = not (self.has_class("-wide") or self.has_class("-huge"))
        if test is None:
            heat.set_columns(stress.heat_columns((), narrow=narrow))
            heat.set_rows(())
            self.set_title(heat, "Heat map")
            self.query_one("#legend", Caption).show([])
            self._show_case(from_top=from_top)
            return
        self._want_report(test)
        report, severity = self.reports.known(test), stress.shown_severity(test, self._severity)
        levels = stress.sectors(report, severity)
        here = heat.cursor_key
        in_sight = levels[: stress.n_in_sight(test, self.size.width, narrow=narrow)]
        heat.set_columns(stress.heat_columns(in_sight, narrow=narrow))
        glyphs = self.console_app.glyphs
        heat.set_rows(stress.heat_rows(test.cases, report, in_sight, severity, glyphs, narrow=narrow))
        heat.move_to(stress.worst_scenario(test, severity) if from_top or here is None else here)
        legend = stress.heat_legend(stress.slicing_of(report), len(in_sight), len(levels), glyphs)
        self.query_one("#legend", Caption).show([legend] if levels else [])
        self.set_title(heat, f"Heat map of {test.test_id}, {severity}", self._reading_words(test))
        self._show_case(from_top=from_top)

    def _reading_words(self, test: StressTest) -> str:
        if self.reports.known(test) is not None:
            return ""
        return "its report cannot be read" if test.sha256 in self._unreadable else READING

    def on_resize(self, event: Resize) -> None:
        """Show as many sectors as there is room for now."""
        if self.is_whole:
            self.call_after_refresh(self._show_test)

    def _show_case(self, *, from_top: bool = False) -> None:
        pane, table = self.query_one("#case", LinesPane), self.query_one("#instruments", LiveTable)
        test, scenario = self.selected_test(), self.query_one("#heat", LiveTable).cursor_key
        self.set_title(pane, scenario or "Scenario")
        self.set_title(table, "Instruments by loss")
        report = self.reports.known(test)
        severity = stress.shown_severity(test, self._severity) if test is not None else ""
        case = stress.case_of(report, scenario, severity)
        if report is None or case is None:
            table.set_rows(())
            words = self._unreadable.get(test.sha256, READING) if test is not None else "Nothing is stressed yet."
            table.empty = words
            pane.show([Line(((words, "muted"),))])
            return
        glyphs = self.console_app.glyphs
        lines = stress.case_lines(report, case, glyphs)
        if self.is_small:  # one pane has no frame with a name
            lines = [Line(((case.scenario, "title"),)), *lines]
        pane.show(lines, from_top=from_top)
        table.set_rows(stress.instrument_rows(case.worst))
        self.set_title(table, "Instruments by loss", f"the worst {len(case.worst)} of {report.n_instruments:,}")

    # The reports are files: they are read in a thread, one at a time, while the totals are shown already.

    def _want_report(self, test: StressTest) -> None:
        if self._reading or test.sha256 in self._unreadable or self.reports.known(test) is not None:
            return
        self._reading = test.sha256
        in_background(self, partial(self._read, test))

    async def _read(self, test: StressTest) -> None:
        try:
            await asyncio.to_thread(self.reports.read, test)
        except CoreError as error:
            self._unreadable[test.sha256] = str(error)
        finally:
            self._reading = ""
        if self.is_whole:
            self._show_test(from_top=True)  # asks for another report if the cursor has moved on meanwhile
            self.tick()

    # Keys

    @on(LiveTable.RowHighlighted, "#tests")
    def _another_test(self) -> None:
        self._show_test(from_top=True)
        self.show_standing()
        self.tick()

    @on(LiveTable.RowHighlighted, "#heat")
    def _another_scenario(self) -> None:
        self._show_case(from_top=True)
        self.tick()

    @on(LiveTable.RowChosen, "#tests")
    def _test_chosen(self) -> None:
        if self.is_small:  # the heat map is not shown
            self._scenario_chosen()
        else:
            self.query_one("#heat").focus()

    @on(LiveTable.RowChosen, "#heat")
    def _scenario_chosen(self) -> None:
        self._open_details()
        self.query_one("#case").focus()

    def action_severity(self) -> None:
        """Show the next severity, behind the severest the mildest."""
        if (test := self.selected_test()) is not None:
            self._severity = stress.next_severity(test, stress.shown_severity(test, self._severity))
            self._show_test()
            self.tick()

    def why(self) -> tuple[str, Sequence[Line] | Callable[[], Sequence[Line]]] | None:
        """Tell how the figures of the case under the cursor come about."""
        test, scenario = self.selected_test(), self.query_one("#heat", LiveTable).cursor_key
        if test is None or scenario is None:
            return None
        severity, reports = stress.shown_severity(test, self._severity), self.reports

        def find() -> Sequence[Line]:
            from console.presentation.stress_reasoning import reasoning_lines

            report = reports.read(test)
            case = stress.case_of(report, scenario, severity)
            return [] if case is None else reasoning_lines(test, report, case, *words_of(report, scenario))

        return f"Why: {test.test_id} {scenario}, {severity}", find
