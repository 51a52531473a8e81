"""Sessions of many epochs: the table reads a page around its cursor, and the charts a bounded number of points."""

from dataclasses import replace
from datetime import timedelta

import pytest

from console.presentation import epochs
from core.settings import TelemetrySettings
from core.telemetry.chunk import to_us
from core.telemetry.courses import MOST_SPANS
from core.telemetry.epoch_page import PAGE_EPOCHS
from core.telemetry.store import EpochMetric, TelemetryStore
from tests.console.conftest import NOW
from widgets.live_table import LiveTable
from widgets.rows import UNREAD_TEXT, Row, RowPage

LAST = 3_000


@pytest.fixture
def long_session(workspace):
    """Continue the session at work to epoch 3,000."""
    store = TelemetryStore(workspace.telemetry_file, TelemetrySettings())
    names = ("score", "spread.attainment", "spread.loss", "quality.score")
    store.write(
        [],
        [
            EpochMetric("r-0001", epoch, name, to_us(NOW), epoch / LAST)
            for epoch in range(42, LAST + 1)
            for name in names
        ],
    )
    store.close()


async def epochs_of(console) -> LiveTable:
    await console.press("2")
    table = console.screen.query_one("#epochs", LiveTable)
    await console.until(lambda: table.n_all_rows == LAST, "the epochs")
    table.focus()
    await console.settled()
    return table


def texts(table: LiveTable, key: str) -> list[str]:
    return next((row.texts for row in table.rows if row.key == key), [])


@pytest.mark.usefixtures("long_session")
async def test_the_table_of_epochs_pages_around_its_cursor(open_console):
    async with open_console((160, 48)) as console:
        table = await epochs_of(console)
        assert (len(table.rows), table.rows[0].key, table.cursor_key) == (PAGE_EPOCHS, str(LAST), str(LAST))
        await console.press("end")
        assert table.cursor_key == "1"
        await console.until(lambda: texts(table, "1"), "the first epochs")
        assert UNREAD_TEXT not in texts(table, "1")
        assert len(table.rows) == PAGE_EPOCHS
        assert table.cursor_key == "1", "the cursor stays on its epoch"
        await console.press("home")
        await console.until(lambda: texts(table, str(LAST)), "the newest epochs again")


@pytest.mark.usefixtures("long_session")
async def test_a_frozen_table_of_epochs_shows_its_frozen_rows_on_every_page(open_console, workspace):
    async with open_console((160, 48)) as console:
        table = await epochs_of(console)
        await console.press("p")
        store = TelemetryStore(workspace.telemetry_file, TelemetrySettings())
        later = to_us(NOW + timedelta(minutes=1))
        store.write([], [EpochMetric("r-0001", LAST + 1, "score", later, 0.5)])
        store.close()
        await console.press("end")
        await console.until(lambda: texts(table, "1"), "the first epochs")
        assert UNREAD_TEXT not in console.text().split("Epochs")[-1].splitlines()[3]
        assert texts(table, "1") != texts(table, "2")
        await console.press("home")
        await console.until(lambda: texts(table, str(LAST)), "the newest frozen epochs")
        assert table.cursor_key == str(LAST), "no epoch from after the freeze"
        assert "[frozen" in console.text()


async def test_another_session_chosen_on_a_frozen_screen_shows_its_epochs(open_console, workspace):
    async with open_console((160, 48)) as console:
        await console.press("2")
        await console.press("p")
        console.app.snapshot = replace(console.app.snapshot, epochs={}, epoch_pages={})
        console.app.follow("r-0001")
        await console.until(lambda: "r-0001" in console.app.snapshot.epochs, "the epochs")
        assert console.app.snapshot.epoch_pages["r-0001"].newest == 41


async def test_runs_that_were_not_read_before_the_screen_was_frozen_say_so(open_console):
    async with open_console((120, 40)) as console:
        await console.press("p")
        await console.press("2", "r")
        assert "Not read before the screen was frozen; p unfreezes it." in console.text()
        assert "Reading" not in console.text()
        await console.press("p")
        await console.until(lambda: "r-0002" in console.text(), "the runs")


@pytest.mark.usefixtures("long_session")
async def test_an_order_names_the_page_that_it_acts_on(open_console):
    async with open_console((160, 48)) as console:
        await epochs_of(console)
        await console.press("s", "s")
        await console.until(lambda: f"{LAST - PAGE_EPOCHS + 1:,} to {LAST:,} of {LAST:,}, sorted" in console.text())


@pytest.mark.usefixtures("long_session")
async def test_the_charts_of_a_long_session_have_a_bounded_number_of_points(open_console):
    async with open_console((160, 48)) as console:
        await epochs_of(console)
        (spread, *_) = console.screen.query_one("#attainment")._series
        assert len(spread.points) <= 4 * MOST_SPANS
        assert spread.points[-1] == (LAST, 100.0)


def test_rows_of_other_pages_are_there_and_unread():
    page = RowPage(
        [Row("5", ("5", "a")), Row("4", ("4", "b"))],
        n_before=3,
        n_after=4,
        key_at=lambda place: str(8 - place),
        place_of=lambda key: 8 - int(key),
    )
    assert len(page) == 9
    assert [page[0].texts, page[3].texts, page[-1].texts] == [["8", UNREAD_TEXT], ["5", "a"], ["0", UNREAD_TEXT]]
    assert [row.key for row in page] == list("876543210")
    assert (page.place_of("4"), page.place_of("9"), page.place_of(None)) == (4, None, None)
    with pytest.raises(IndexError):
        page[9]
    assert [row.key for row in page[2:5]] == ["6", "5", "4"]


def test_an_epoch_that_is_not_recorded_has_its_place_in_the_page():
    from core.telemetry.epoch_page import EpochPage

    rows = epochs.page_rows(EpochPage(1, 10, 9, 4, 6, {4: {"score": 0.5}, 6: {"score": 0.6}}), ["spread"])
    assert [row.key for row in rows] == list(map(str, range(10, 0, -1)))
    assert rows[5].texts == ["5", "–", "–", "–", "–"]
