"""An answer to a key hides neither the key hints nor the top line."""

import pytest

from console.dialogs.logs import LogDialog


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (160, 48)], ids=str)
async def test_an_answer_stands_whole_above_the_keys(open_console, size):
    async with open_console(size) as console:
        before = console.text().splitlines()
        words = "spread 1.3.0 was changed by someone else first: it is in Production now. Review and decide again."
        console.app.say(words, "warn")
        await console.settled()
        after = console.text().splitlines()

        assert after[-1] == before[-1], "the keys stay"
        assert after[0] == before[0], "the top line stays"
        n_lines = console.screen.query_one("#footer").size.height - 1
        assert " ".join(" ".join(after[-1 - n_lines : -1]).split()) == words
        console.app.say("")
        await console.settled()
        assert console.text().splitlines() == before


async def test_an_answer_longer_than_three_lines_is_cut_and_leaves_the_list(open_console):
    async with open_console((40, 12)) as console:
        console.app.say("word " * 60)
        await console.settled()
        drawn = console.text().splitlines()
        assert "quit" in drawn[-1]
        assert drawn[-2].rstrip().endswith("…")
        assert console.screen.query_one("#body").size.height == 12 - 1 - 4


async def test_an_answer_in_a_dialog_stands_above_its_keys(open_console):
    async with open_console((80, 24)) as console:
        await console.press("l")
        assert isinstance(console.app.screen, LogDialog)
        hint = console.app.screen.query_one("#dialog-hint").lines[0].text
        console.app.say("Copied.")
        await console.settled()
        assert [line.text for line in console.app.screen.query_one("#dialog-hint").lines] == ["Copied.", hint]
        assert "Copied." in console.text()
        assert hint.split("  ")[0].strip() in console.text()
