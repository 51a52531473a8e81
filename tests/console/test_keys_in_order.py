"""Keys that arrive in one burst, as over a slow line, act in the order in which they were typed."""

import pytest

from console.dialogs.change import ChangeDialog
from console.dialogs.logs import LogDialog
from core.alerts import Alerts
from core.registry import Registry, Stage


def stages(workspace) -> dict[str, Stage]:
    return {version.key: version.stage for version in Registry(workspace).versions()}


async def at(console, key: str) -> None:
    await console.press("3")
    await console.until(lambda: console.screen.NAME == "registry" and console.screen.main_table().rows)
    assert console.screen.main_table().move_to(key)
    await console.settled()


async def closed(console) -> None:
    await console.until(lambda: not isinstance(console.app.screen, ChangeDialog), "the way out")
    await console.settled()


@pytest.mark.parametrize("capital", ["X", "P", "U"])
async def test_a_y_behind_the_enter_that_cancels_confirms_nothing(open_console, workspace, capital):
    before = stages(workspace)
    async with open_console() as console:
        await at(console, "spread/1.0.0" if capital == "P" else "spread/1.3.0")
        await console.dialog(capital)
        console.time.pass_deafness()
        await console.burst("enter", "Y")
        await closed(console)
        assert stages(workspace) == before


async def test_an_alert_is_not_resolved_by_a_y_behind_the_enter_that_cancels(open_console, workspace):
    before = Alerts(workspace).all()
    async with open_console() as console:
        await console.press("5")
        await console.until(lambda: console.screen.NAME == "alerts" and console.screen.main_table().rows)
        await console.dialog("X")
        console.time.pass_deafness()
        await console.burst("enter", "Y")
        await closed(console)
        assert Alerts(workspace).all() == before


async def test_a_typed_version_does_not_confirm_behind_the_enter_that_cancels(open_console, workspace):
    before = stages(workspace)
    async with open_console() as console:
        await at(console, "spread/1.3.0")
        await console.dialog("P")
        console.time.pass_deafness()
        await console.burst("enter", *"1.3.0", "Y")
        await closed(console)
        assert stages(workspace) == before


async def test_a_reason_arrives_whole_before_the_y_behind_it(open_console, workspace):
    async with open_console() as console:
        await at(console, "spread/1.3.0")
        dialog = await console.dialog("X")
        console.time.pass_deafness()
        assert dialog.query_one("#reason").display
        dialog.set_focus(dialog.query_one("#reason"))
        await console.burst(*"bad Year", "enter", "Y")
        await closed(console)
        await console.until(lambda: stages(workspace)["spread/1.3.0"] is Stage.ARCHIVED, "the move")
        assert Registry(workspace).history("spread")[0].reason == "bad Year"


async def test_a_command_is_what_was_typed_before_enter(open_console):
    async with open_console() as console:
        await at(console, "spread/1.3.0")
        await console.burst("colon", *"promote anomaly 1.1", "enter", "full_stop", "0")
        await console.until(lambda: isinstance(console.app.screen, ChangeDialog) and console.app.screen._offer)
        assert "1.1.0" not in console.app.screen._offer.title
        assert "1.1" in str(console.app.screen._offer)


async def test_a_tab_completes_what_was_typed_before_it_in_one_burst(open_console):
    async with open_console() as console:
        await at(console, "spread/1.3.0")
        field = console.screen.query_one("#prompt")
        await console.burst("colon", *"promote anomaly 1.1", "tab")
        assert field._field.value.strip() == "promote anomaly 1.1.0"
        await console.settled()
        assert field._field.value.strip() == "promote anomaly 1.1.0"
        await console.press("escape")
        await console.press("colon", *"promote anomaly 1.")
        await console.burst("1", "tab")
        assert field._field.value.strip() == "promote anomaly 1.1.0"
        await console.press("escape")


async def test_tabs_in_one_burst_with_letters_walk_through_their_completions(open_console):
    async with open_console() as console:
        await at(console, "spread/1.3.0")
        prompt = console.screen.query_one("#prompt")
        await console.burst("colon", *"promote anomaly 1.", "tab")
        first = prompt._field.value
        await console.settled()
        await console.burst("tab")
        assert first.startswith("promote anomaly 1.")
        assert prompt._field.value.startswith("promote anomaly 1.")
        assert prompt._field.value != first
        await console.press("escape")


async def test_a_tab_behind_an_earlier_command_completes_that_command(open_console):
    async with open_console() as console:
        await at(console, "spread/1.3.0")
        prompt = console.screen.query_one("#prompt")
        await console.press("colon", *"sort mod", "enter", "colon")
        await console.burst("up", "tab")
        assert prompt._field.value.strip() == "sort model"
        await console.press("escape")


async def test_keys_behind_a_command_move_in_the_list(open_console):
    async with open_console() as console:
        await at(console, "spread/1.3.0")
        await console.burst("colon", *"sort model", "enter", "g", "j", "j")
        assert "Sorted by" in console.sentence
        table = console.screen.main_table()
        assert table.cursor_key == table.rows[2].key


async def test_keys_behind_a_filter_move_in_the_filtered_list(open_console):
    async with open_console() as console:
        await at(console, "spread/1.3.0")
        await console.burst("slash", *"spread", "enter", "g", "j", "k", "j")
        table = console.screen.main_table()
        assert table.filter_words == "spread"
        assert len(table.rows) < table.n_all_rows
        assert table.cursor_key == table.rows[1].key


async def test_keys_behind_the_esc_of_a_filter_move_in_the_whole_list(open_console):
    async with open_console() as console:
        await at(console, "spread/1.3.0")
        await console.burst("slash", *"spread", "escape", "g", "j")
        table = console.screen.main_table()
        assert not table.filter_words
        assert table.cursor_key == table.rows[1].key


async def test_keys_behind_the_search_of_the_logs_are_not_searched_for(open_console):
    async with open_console() as console:
        await console.press("l")
        await console.until(lambda: isinstance(console.app.screen, LogDialog))
        await console.settled()
        await console.burst("slash", *"nothing", "enter", "n", "N")
        assert console.app.screen._sought == "nothing"
        await console.until(lambda: not console.app.screen.query("#log-search"))
        await console.burst("slash", "x", "escape", "escape")
        await console.until(lambda: not isinstance(console.app.screen, LogDialog), "the way out")


@pytest.mark.parametrize(
    "opening", [("d",), ("slash", "a", "b"), ("colon", *"prom"), ("plus",)], ids=lambda keys: keys[0]
)
async def test_an_esc_in_one_burst_with_a_key_leaves_and_then_the_key_acts(open_console, opening):
    async with open_console() as console:
        await at(console, "spread/1.3.0")
        await console.press(*opening)
        await console.bytes("\x1b2")
        await console.until(lambda: console.screen.NAME == "training", "the second screen")
        await console.press("3")
        await console.until(lambda: console.screen.NAME == "registry")
        assert not console.screen.main_table().filter_words
        assert not console.screen.is_asking
