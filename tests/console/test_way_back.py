"""Esc leads back one layer, and at last to where one came from: screen, pane and row."""

from console.runtime.jumps import N_KEPT, Jumps, ScreenPlace


def here(console) -> tuple[str, str | None]:
    table = console.screen.shown_table()
    return console.screen.NAME, table.cursor_key


async def test_from_an_alert_to_its_version_and_back(open_console):
    async with open_console((120, 40)) as console:
        await console.press("5", "j")
        alert = here(console)
        await console.press("enter")
        assert console.screen.NAME != "alerts"
        await console.press("escape")
        assert here(console) == alert
        assert console.screen.focused is console.screen.main_table()


async def test_back_is_one_jump_at_a_time_with_the_row_of_each(open_console):
    async with open_console((120, 40)) as console:
        walked = [here(console)]
        for screen, keys in (("registry", ("j", "j")), ("audit", ("j",)), ("rollouts", ()), ("registry", ("G",))):
            await console.app.action_go(screen)
            await console.settled()
            await console.press(*keys)
            walked.append(here(console))
        await console.app.action_go("resources")
        for place in reversed(walked):
            await console.press("escape")
            assert here(console) == place
        await console.press("escape")
        assert here(console) == walked[0]


async def test_after_the_number_of_a_screen_esc_stays_there(open_console):
    async with open_console((120, 40)) as console:
        await console.press("5", "enter", "4", "escape")
        assert console.screen.NAME == "rollouts"
        await console.press("colon", *"registry", "enter")
        await console.until(lambda: console.screen.NAME == "registry")
        await console.press("escape")
        assert console.screen.NAME == "registry"


async def test_the_pane_that_had_the_focus_has_it_again(open_console):
    async with open_console((120, 40)) as console:
        console.screen.query_one("#wrong").focus()
        await console.press("j")
        row = console.screen.query_one("#wrong").cursor_key
        await console.press("enter", "escape")
        assert console.screen.focused is console.screen.query_one("#wrong")
        assert console.screen.query_one("#wrong").cursor_key == row


async def test_inner_layers_come_before_the_way_back(open_console):
    async with open_console((120, 40)) as console:
        await console.press("3", "slash", *"spread", "enter", "t", "plus")
        for left in ("zoom", "lineage", "filter"):
            await console.press("escape")
            assert console.screen.NAME == "registry", left
        assert console.screen.main_table().filter_words == ""
        await console.press("escape")
        assert console.screen.NAME == "registry"


async def test_a_jump_shows_a_row_that_the_filter_hides(open_console):
    async with open_console((120, 40)) as console:
        await console.press("3", "slash", *"downgrade", "enter", "1")
        live = console.screen.query_one("#live")
        live.focus()
        live.move_to("spread")
        await console.press("enter")
        assert console.screen.NAME == "registry"
        assert console.screen.main_table().cursor_key.startswith("spread/")


async def test_runs_lead_back_to_where_they_were_opened_from(open_console):
    async with open_console((120, 40)) as console:
        await console.press("5", "colon", *"runs", "enter")
        await console.until(lambda: console.screen.NAME == "runs")
        await console.press("escape")
        assert console.screen.NAME == "alerts"


def test_a_place_is_kept_once_and_the_oldest_are_forgotten():
    jumps = Jumps()
    for number in range(N_KEPT + 5):
        jumps.leave(ScreenPlace("alerts", "alerts", str(number)))
        jumps.leave(ScreenPlace("alerts", "alerts", str(number)))
    walked = []
    while (place := jumps.back()) is not None:
        walked.append(place.row)
    assert walked == [str(number) for number in reversed(range(5, N_KEPT + 5))]
