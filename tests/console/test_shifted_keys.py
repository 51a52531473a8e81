"""Keys that a terminal with extended keys reports as a character "with Shift"."""

import pytest
from textual import events


@pytest.mark.parametrize("key", ["shift+P", "shift+p"])
async def test_a_capital_with_shift_is_the_capital(open_console, key):
    async with open_console((80, 24)) as console:
        await console.press("3")
        console.app._driver.send_message(events.Key(key, None))
        await console.dialog()
        assert "promote" in console.text().lower()


async def test_shifted_signs_are_typed_and_obeyed(open_console):
    async with open_console((80, 24)) as console:
        for key in ("shift+colon", "shift+A", "shift+space", "shift+less_than_sign", "shift+plus"):
            console.app._driver.send_message(events.Key(key, None))
            await console.settled()
        assert console.screen.query_one("#prompt-input").value == "A <+"


async def test_shift_and_tab_stays_what_it_is(open_console):
    async with open_console((120, 40)) as console:
        await console.press("3", "tab")
        console.app._driver.send_message(events.Key("shift+tab", None))
        await console.settled()
        assert console.screen.focused is console.screen.main_table()


@pytest.mark.parametrize("prompt", ["colon", "slash"])
async def test_every_sign_can_be_typed_into_the_prompt(open_console, prompt):
    signs = "/:?+<>!-_.~0159"
    async with open_console((120, 40)) as console:
        await console.press("3", prompt, *signs)
        assert console.screen.NAME == "registry"
        assert console.screen.query_one("#prompt-input").value == signs
