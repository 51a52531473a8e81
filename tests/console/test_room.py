"""The overview spends its room by need, and lists keep the cursor on what it was about."""

from dataclasses import replace
from datetime import timedelta

import pytest

from core.alerts import Alerts
from core.state import LeaseHolder
from tests.console.conftest import NOW
from widgets.live_table import Column, LiveTable, Row


def raise_alerts(workspace, n: int) -> None:
    alerts = Alerts(workspace)
    for number in range(n):
        labels = {"model": f"emea_investment_grade_spread_model_{number:02d}"}
        summary = f"{labels['model']} is not what was registered"
        alerts.fire("hash_mismatch", labels=labels, summary=summary, now=NOW - timedelta(minutes=number))


@pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=str)
async def test_what_is_wrong_grows_with_what_is_wrong(open_console, workspace, size):
    heights = []
    for n in (0, 30):
        raise_alerts(workspace, n)
        async with open_console(size) as console:
            heights.append(console.screen.query_one("#wrong").size.height)
            assert console.screen.query_one("#live").size.height >= 3
    few, many = heights
    assert many >= few + 3


async def test_overview_and_alerts_count_the_same_open_alerts(open_console, workspace):
    """The list of problems also has rows about files, the engine and models: they are counted apart."""
    raise_alerts(workspace, 30)
    async with open_console((160, 48)) as console:
        console.app.snapshot = replace(console.app.snapshot, problems=("models.json cannot be read",))
        console.screen.refresh_all()
        await console.settled()
        n_open = sum(alert.state.is_open for alert in console.app.snapshot.alerts)
        n_other = console.screen.query_one("#wrong").n_all_rows - n_open
        assert n_other
        assert f"{n_open} open alerts, {n_other} other problem" in console.text()
        await console.press("5")
        assert f"{n_open} open" in console.text()


async def test_without_a_problem_the_room_is_the_models(open_console):
    async with open_console((80, 24)) as console:
        engine = LeaseHolder(user="mira", host="desk-4", pid=4711, mode="headless", acquired_at=NOW)
        console.app.snapshot = replace(console.app.snapshot, alerts=(), sessions=(), rollouts=(), engine=engine)
        console.screen.refresh_all()
        await console.settled()
        wrong, live = (console.screen.query_one(name) for name in ("#wrong", "#live"))

        assert "Nothing is wrong." in console.text()
        assert wrong.size.height == 1
        assert live.size.height > wrong.size.height


async def test_40x12_shows_what_is_wrong_first(open_console, workspace):
    raise_alerts(workspace, 30)
    async with open_console((40, 12)) as console:
        rows = console.text().splitlines()

        assert "✗ C " in rows[2]
        assert not any("critical" in row for row in rows), "ten columns for a word of which a letter tells as much"
        assert any("MODEL" in row for row in rows)
        assert sum("model_" in row for row in rows[1:7]) >= 3, "long names stay apart"


@pytest.mark.parametrize("n", [1, 30])
async def test_40x12_tells_the_worst_alert_in_two_lines(open_console, workspace, n):
    raise_alerts(workspace, n)
    async with open_console((40, 12)) as console:
        first, second = console.text().splitlines()[2:4]
        assert "…_model_00" in first
        assert "_model_00 is not " in first
        assert second.strip(" ┃") == "what was registered"
        table = console.screen.query_one("#wrong", LiveTable)
        table.focus()
        await console.press("j", "j")
        assert table.cursor_index == 2
        assert "▌" in console.text().splitlines()[4], "the cursor is on the row below both lines"
        table.action_last()
        await console.settled()
        assert any("▌" in row for row in console.text().splitlines()), "the last row is in view"
        await console.press("5")
        drawn = console.text().splitlines()
        assert "✗ C F" in drawn[2]
        assert "✗" not in drawn[3], "the second line of the first alert"


async def test_a_small_screen_has_no_frames_in_ascii_either_and_whole_words_for_stages(open_console, monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")
    async with open_console((40, 12)) as console:
        assert console.app.glyphs.name == "ascii"
        await console.press("3")
        text = console.text()
        assert "+--" not in text
        assert " Prod " in text
        assert "Prod~" not in text
        assert len([row for row in text.splitlines() if "1." in row]) == 9


async def test_recent_actions_are_whole_lines(open_console):
    async with open_console((120, 40)) as console:
        pane = console.screen.query_one("#changes")
        drawn = " ".join(line.text.strip() for line in pane.paint(pane.size.width, 999))

        assert "mira alert.acknowledge quality_low{session=s-0002}" in drawn
        assert "…" not in drawn
        pane.focus()
        await console.press("enter")
        assert console.screen.NAME == "audit"


def a_list(**options) -> LiveTable:
    table = LiveTable([Column("n", "N", 5)], **options)
    table.set_rows([Row(str(number), (str(number),)) for number in range(41, 0, -1)])
    return table


def with_a_new_row(table: LiveTable) -> LiveTable:
    table.set_rows([Row("42", ("42",)), *table.rows])
    return table


def test_a_cursor_on_top_of_the_epochs_stays_on_the_newest():
    assert with_a_new_row(a_list(sticky=True)).cursor_key == "42"
    assert with_a_new_row(a_list()).cursor_key == "41"

    below = a_list(sticky=True)
    below._cursor = 3
    assert with_a_new_row(below).cursor_key == "38", "a cursor that was moved stays on its row"


@pytest.mark.parametrize(
    ("cursor", "words", "lands_on"),
    [(0, "3", "39"), (30, "3", "13"), (40, "9", "9"), (20, "nothing", None)],
    ids=["from the top to the newest", "to the nearest", "from the end", "no match"],
)
def test_a_filter_puts_the_cursor_on_the_nearest_match(cursor, words, lands_on):
    table = a_list()
    table._cursor = cursor
    table.filter_words = words

    assert table.cursor_key == lands_on


async def test_the_epochs_cursor_does_not_survive_a_change_of_session(open_console):
    async with open_console((160, 48)) as console:
        await console.press("2")
        table = console.screen.query_one("#epochs", LiveTable)
        table.focus()
        await console.press("j", "j", "j")
        assert table.cursor_index == 3
        console.screen.main_table().focus()
        await console.press("j", "k")
        await console.until(lambda: table.rows, "the epochs")

        assert table.cursor_index == 0


async def test_skipped_epochs_are_marked_in_the_list_and_are_gaps_in_the_charts(open_console):
    async with open_console((160, 48)) as console:
        await console.press("2")
        table = console.screen.query_one("#epochs", LiveTable)
        rows = {row.key: table._plain_line(row).text for row in table.rows}

        assert [key for key, text in rows.items() if "skipped" in text] == ["38", "23"]
        (spread, *_) = console.screen.query_one("#attainment")._series
        assert [int(x) for x, y in spread.points if y != y] == [23, 38]
