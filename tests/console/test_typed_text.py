"""Whatever a person types into the console, it lives on: it may hold the engine that trains."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from textual.widgets import Input

from console.dialogs.dialog import Dialog
from console.screen_catalog import SCREENS
from console.verbs.catalog import COMMANDS

N_LINES, N_FILTERS, N_REASONS = 50, 4, 6

INSTANTS = st.datetimes(timezones=st.timezones() | st.none()).map(lambda at: at.isoformat())
EDGES = st.sampled_from(["0001-01-01T00:00+05:00", "9999-12-31T23:59-05:00", "1969-12-31", "02:50+23:59", "-1", "\x00"])
FIELDS = st.sampled_from(["started_at", "ended_at", "metrics.mae", "tags.x", "duration_seconds"])
SIGNS = st.sampled_from(["=", "<", ">=", "in", "like", "is"])
EXPRESSIONS = st.builds("{} {} '{}'".format, FIELDS, SIGNS, INSTANTS | EDGES | st.text(max_size=8))
OBJECTS = st.sampled_from(["spread", "1.2.0", "s-0001", "ro-0001", "anomaly", "r-0001"])
WORDS = st.one_of(OBJECTS, EDGES, INSTANTS, EXPRESSIONS, st.text(max_size=12), st.integers().map(str))
NAMES = st.sampled_from([verb.name for verb in COMMANDS if verb.name not in ("quit", "engine")])
LINES = st.builds(lambda name, words: " ".join((name, *words)), NAMES, st.lists(WORDS, max_size=3)) | st.text(
    max_size=30
)


def drawn(texts: st.SearchStrategy[str], n: int) -> list[str]:
    """Draw texts, the same ones each time: a console is too slow to open for each."""
    found: list[str] = []

    @settings(max_examples=n, phases=[Phase.generate], database=None, suppress_health_check=list(HealthCheck))
    @given(texts)
    def collect(text: str) -> None:
        found.append(text)

    collect()
    return found


@pytest.fixture(autouse=True)
def files_go_to_a_folder_of_their_own(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


async def type_in(console, field: Input, text: str) -> None:
    """Type a text as fast as a paste does."""
    field.value = ""
    field.insert_text_at_cursor(text)
    await console.settled()


async def ask(console, sign: str, text: str) -> None:
    """Type a text after a sign, and Enter."""
    await console.press(sign)
    await type_in(console, console.screen.query_one("#prompt-input", Input), text)
    await console.press("enter")


async def close_dialogs(console) -> None:
    while isinstance(console.app.screen, Dialog):
        console.time.pass_deafness()
        await console.press("escape")


def lives(console) -> bool:
    return console.app.is_running and console.app._exception is None and "A bug in bondx" not in console.sentence


async def test_no_command_line_ends_the_console(open_console):
    async with open_console() as console:
        for line in [
            *drawn(LINES, N_LINES),
            "runs started_at > '0001-01-01T00:00+05:00'",
            "past 0001-01-01T00:00+05:00",
        ]:
            await ask(console, ":", line)
            assert lives(console), line
            assert all(row.isprintable() for row in console.text().splitlines()), line
            await close_dialogs(console)


@pytest.mark.parametrize("name", [screen.name for screen in SCREENS])
async def test_no_filter_ends_the_console(open_console, name):
    async with open_console() as console:
        await console.app.action_go(name)
        for text in drawn(WORDS, N_FILTERS):
            await ask(console, "/", text)
            assert lives(console), text


async def test_no_reason_and_no_typed_version_ends_the_console(open_console):
    async with open_console() as console:
        lines = alternating("pause s-0002", "resume s-0002")
        for text in drawn(st.text(max_size=40), N_REASONS):
            await ask(console, ":", "promote spread 1.2.0")
            await close_dialogs(console)
            dialog = await console.dialog(":", *(("space" if c == " " else c) for c in next(lines)), "enter")
            for field in dialog.query(Input):
                await type_in(console, field, text)
            console.time.pass_deafness()
            await console.press("Y")
            assert lives(console), text
            await close_dialogs(console)


def alternating(*lines: str) -> Iterator[str]:
    while True:
        yield from lines
