"""Screen 6: the model that is not well comes first, with the column that moved most; R takes the version back."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from console.dialogs.change import ChangeDialog
from console.dialogs.charts import ChartsDialog
from console.dialogs.text import TextDialog
from console.presentation import drift, health
from core.monitoring.documents import (
    DriftPart,
    HealthReason,
    HealthState,
    ModelMonitoring,
    MonitoredColumn,
    VersionHealth,
    VersionMonitoring,
)
from core.monitoring.monitoring_store import MonitoringStore
from core.monitoring.verdicts import DriftType, DriftVerdict, PerformanceVerdict
from core.state import Lease
from tests.console.conftest import NOW
from tools.demo import OPERATOR
from widgets.glyphs import ASCII, UNICODE


@pytest.fixture
def engine(workspace):
    with Lease.acquire(workspace, OPERATOR, "headless"):
        yield


async def on_drift(console) -> None:
    await console.press("6")
    await console.until(lambda: console.screen.NAME == "drift" and console.screen.main_table().rows, "the models")
    await console.settled()


def monitored(model: str, state: HealthState, weight: float = 0.0) -> ModelMonitoring:
    reasons = (HealthReason(source="drift", state=state, text=f"{model} moved", weight=weight),) if weight else ()
    version = VersionMonitoring(version="1.0.0", role="stable", health=VersionHealth(state=state, reasons=reasons))
    return ModelMonitoring(model=model, versions=(version,), updated_at=NOW)


def test_models_come_by_health_then_by_the_weight_of_what_is_wrong():
    given = [
        monitored("well", HealthState.HEALTHY),
        monitored("light", HealthState.DEGRADED, 1.1),
        monitored("dark", HealthState.UNKNOWN),
        monitored("heavy", HealthState.DEGRADED, 2.0),
        monitored("broken", HealthState.FAILING, 0.5),
    ]
    rows = health.health_rows(given, NOW, UNICODE)
    assert [row.cells[0] for row in rows] == ["broken", "heavy", "light", "dark", "well"]
    assert [row.text(2) for row in rows] == ["✗ failing", "! degraded", "! degraded", "○ unknown", "✓ healthy"]
    assert rows[0].text(6) == "broken moved"


async def test_the_worst_model_its_worst_column_and_both_distributions_are_on_the_screen(open_console):
    async with open_console((120, 40)) as console:
        await on_drift(console)
        screen = console.screen
        assert screen.main_table().cursor_key == "spread@1.2.0"
        assert screen.selected_column().name == "liquidity_index"
        text = console.text()
        for seen in (
            "! degraded",
            "✗ alarm 1/9",
            "liquidity_index",
            "02:15 to",
            "━ now  │ then",
            "realised",
            "estimated",
        ):
            assert seen in text


async def test_enter_leads_from_the_model_to_its_columns_to_one_of_them_and_esc_back(open_console):
    async with open_console((80, 24)) as console:
        await on_drift(console)
        await console.press("enter", "j", "enter")
        assert console.screen.focused.id == "column"
        assert "bid_ask_bps" in console.text()
        assert "together  liquidity_index" in console.text()
        await console.press("escape")
        assert not console.screen.is_covered
        await console.press("g", "j")
        assert console.screen.main_table().cursor_key == "liquidity_shock@1.2.0"
        assert "Nothing is compared. liquidity_shock 1.2.0: it has no profile" in console.text()


async def test_why_tells_the_whole_reasoning_and_what_the_estimate_cannot_see(open_console):
    async with open_console((120, 40)) as console:
        await on_drift(console)
        await console.press("w")
        await console.until(lambda: isinstance(console.app.screen, TextDialog), "the reasoning")
        text = console.text()
        assert "spread@1.2.0 is degraded" in text
        assert "performance: open, 1,840 outcomes, 94% of the answers wait for theirs" in text
        assert "about 2,600 outcomes in all would settle it" in text
        assert "it cannot see: a changed relation between inputs and outcomes" in text
        assert "at most one false alarm in 30 days on average" in text


async def test_the_screen_and_why_say_of_when_the_verdicts_are_while_no_engine_watches(open_console):
    async with open_console((120, 40)) as console:
        await on_drift(console)
        assert "3 watched; as of 2026-03-02 03:04 UTC, no engine" in console.text()
        await console.press("w")
        await console.until(lambda: isinstance(console.app.screen, TextDialog), "the reasoning")
        assert "not watched now: no engine is running" in console.text()


@pytest.mark.usefixtures("engine")
async def test_nothing_is_said_of_the_time_while_an_engine_watches(open_console):
    async with open_console((120, 40)) as console:
        await on_drift(console)
        assert "as of" not in console.text()


async def test_charts_show_performance_with_its_bands_and_the_course_of_drift(open_console):
    async with open_console((120, 40)) as console:
        await on_drift(console)
        await console.press("v")
        await console.until(
            lambda: isinstance(console.app.screen, ChartsDialog) and console.app.screen._charts, "charts"
        )
        titles = [chart.title for chart in console.app.screen._charts]
        assert titles == ["mae", "Drift"]
        named = [series.name for series in console.app.screen._charts[0].series if not series.is_edge]
        assert named == ["realised", "estimated"]


@pytest.mark.usefixtures("engine")
async def test_r_offers_to_roll_the_version_under_the_cursor_back(open_console):
    async with open_console((120, 40)) as console:
        await on_drift(console)
        dialog = await console.dialog("R")
        assert isinstance(dialog, ChangeDialog)
        assert all(word in console.text() for word in ("spread", "1.2.0", "1.1.0"))


async def test_a_document_that_changes_changes_the_screen_and_the_cursor_stays(open_console, workspace):
    async with open_console((120, 40)) as console:
        await on_drift(console)
        await console.press("j", "j")
        key = console.screen.main_table().cursor_key
        store = MonitoringStore(workspace)
        store.write([replace(each, versions=(well(each.live),)) for each in store.all()])
        await console.until(lambda: "✗ alarm" not in console.text(), "the news")
        assert console.screen.main_table().cursor_key == key


def well(version: VersionMonitoring) -> VersionMonitoring:
    return replace(version, health=VersionHealth(state=HealthState.HEALTHY), drift=None)


async def test_without_a_live_version_the_screen_says_how_to_get_one(open_console, workspace):
    MonitoringStore(workspace).write([])
    async with open_console((80, 24)) as console:
        await console.press("6")
        await console.until(
            lambda: "No version answers requests yet. 3 shows the versions; P promotes" in console.text()
        )


async def test_a_terminal_without_unicode_has_signs_of_its_own(workspace):
    column = MonitoringStore(workspace).find("spread").live.drift.columns[0]
    text = "\n".join(line.text for line in drift.column_lines(column, NOW, ASCII))
    signs = text.replace("–", "-").replace("²", "2")  # spelled by the widgets
    assert signs.isascii()
    assert "##|####" in text


def test_a_change_of_more_than_a_day_ago_is_dated_in_full(workspace):
    column = MonitoringStore(workspace).find("spread").live.drift.columns[0]
    text = "\n".join(line.text for line in drift.column_lines(column, NOW + timedelta(days=2), UNICODE))
    assert "2026-03-02 02:17 UTC (2026-03-02 02:15 UTC to 2026-03-02 02:20 UTC)" in text
    assert column.verdict is DriftVerdict.ALARM


async def test_a_screen_of_one_list_names_the_worst_and_enter_tells_all(open_console):
    async with open_console((40, 12)) as console:
        await on_drift(console)
        assert "! degraded" in console.text()
        await console.press("enter")
        assert console.screen.focused.id == "column"
        lines = console.screen.query_one("#column")._content
        text = "\n".join(line.text for line in lines)
        assert "liquidity_index has moved by 0.52 sd" in text
        assert "since     2026-03-02 02:17 UTC (02:15 to 02:20)" in text
        await console.press("escape")
        assert console.screen.focused is console.screen.main_table()


@pytest.mark.usefixtures("engine")
async def test_u_undoes_the_last_change_of_the_model_under_the_cursor(open_console):
    async with open_console((80, 24)) as console:
        await on_drift(console)
        dialog = await console.dialog("U")
        assert isinstance(dialog, ChangeDialog)


def test_why_names_the_window_of_a_metric_and_judges_only_the_one_that_decides(workspace):
    store = MonitoringStore(workspace)
    found = store.find("spread")
    mae = found.live.performance.metrics[0]
    week = replace(mae, metric="rmse", window="week", verdict=PerformanceVerdict.OPEN, reason="")
    performance = replace(found.live.performance, metrics=(mae, week, replace(week, reason="too few")))
    texts = [line.text.strip() for line in health.reasoning_lines(replace(found.live, performance=performance))]
    plain, judged = [text for text in texts if text.startswith("rmse")]
    assert plain.endswith("in the last week")
    assert judged.endswith("in the last week: not decided")


def test_a_column_that_moved_before_its_version_went_live_changed_at_least_so_long_ago():
    column = MonitoredColumn(
        name="income",
        type=DriftType.FEATURE,
        verdict=DriftVerdict.ALARM,
        reason="moved",
        n=100,
        changed_at=NOW - timedelta(hours=2),
        changed_before_live=True,
    )
    part = DriftPart(as_of=NOW, verdict=DriftVerdict.ALARM, n_rows=100, columns=(column,))
    version = VersionMonitoring(version="1.0.0", role="stable", drift=part)
    [row] = drift.column_rows(version, NOW, UNICODE, lambda column: "")

    assert ">2h" in [row.text(k) for k in range(len(row.cells))]
