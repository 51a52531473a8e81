"""Whatever a person types into the console, it lives on: it may hold the engine that trains."""

import ast
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from textual.widgets import Input

from console.dialogs.dialog import Dialog
from console.dialogs.logs import LogDialog
from console.screen_catalog import SCREENS
from console.verbs.catalog import COMMANDS
from core.registry import Registry, Stage
from core.training.session import DesiredSession
from core.training.sessions import Sessions

ROOT = Path(__file__).parents[2]
N_LINES, N_FILTERS, N_REASONS, N_VERSIONS = 50, 4, 6, 8

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


async def test_no_reason_and_no_typed_version_ends_the_console(open_console, workspace):
    sessions = Sessions(workspace)

    def desired() -> DesiredSession:
        return sessions.get("s-0002").desired

    def shown() -> DesiredSession:
        return next(each.desired for each in console.app.snapshot.sessions if each.session_id == "s-0002")

    async with open_console() as console:
        for text in drawn(st.text(max_size=40), N_REASONS):
            await ask(console, ":", "promote spread 1.2.0")
            await close_dialogs(console)
            await console.until(lambda: shown() is desired(), "the session as it is")
            line = "resume s-0002" if desired() is DesiredSession.PAUSED else "pause s-0002"
            dialog = await console.dialog(":", *(("space" if c == " " else c) for c in line), "enter")
            for field in dialog.query(Input):
                await type_in(console, field, text)
            console.time.pass_deafness()
            await console.press("Y")
            assert lives(console), text
            await close_dialogs(console)


TYPED = st.sampled_from(["1.3.0", "1.2.0", " 1.3.0 ", "1.3", "", "Y", "n", "\x1b[2J", "9" * 60]) | st.text(max_size=40)


async def test_no_version_typed_to_promote_ends_the_console_and_only_the_right_one_promotes(open_console, workspace):
    async with open_console() as console:
        await console.press("3")
        assert console.screen.main_table().move_to("spread/1.3.0")
        await console.settled()
        for text in (*drawn(TYPED, N_VERSIONS), "1.3.0"):
            dialog = await console.dialog("P")
            console.time.pass_deafness()
            field = dialog.query_one("#typed", Input)
            assert field.display
            await type_in(console, field, text)
            is_right = field.value.strip() == "1.3.0"
            assert dialog.query_one("#confirm").disabled is not is_right, text
            assert all(row.isprintable() for row in console.text().splitlines()), text
            if not is_right:
                await console.press("Y")
                assert console.app.screen is dialog, text
            assert lives(console), text
            await close_dialogs(console)
            assert Registry(workspace).get("spread", "1.3.0").stage is Stage.STAGING


async def test_no_search_in_the_logs_ends_the_console(open_console):
    async with open_console() as console:
        await console.press("l")
        await console.until(lambda: isinstance(console.app.screen, LogDialog), "the logs")
        for text in drawn(st.text(max_size=40) | EDGES, N_FILTERS):
            await console.press("slash")
            await console.until(lambda: console.app.screen.query("#log-search"), "the field")
            await type_in(console, console.app.screen.query_one("#log-search", Input), text)
            await console.press("enter", "n", "N")
            assert lives(console), text
            assert all(row.isprintable() for row in console.text().splitlines()), text


def test_every_field_takes_part():
    """A new field needs a test here, and its name below."""
    fields = {
        keyword.value.value
        for folder in ("console", "widgets")
        for file in (ROOT / folder).rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and str(getattr(call.func, "id", "")).endswith(("Input", "Field", "TextArea"))
        for keyword in call.keywords
        if keyword.arg == "id" and isinstance(keyword.value, ast.Constant)
    }
    assert fields == {"prompt-input", "typed", "reason", "log-search"}
