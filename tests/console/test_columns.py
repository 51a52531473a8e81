"""The columns of a list: chosen, remembered for the user, never in the workspace."""

import json
import os

import pytest

from console.runtime.preferences import MAX_BYTES, Preferences, UserPreferences, preferences_file, read_preferences
from tests.console.test_table_verbs import type_command


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch):
    """The file of a user who has chosen nothing yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return preferences_file(os.environ)


def titles(console) -> list[str]:
    return [column.title for column in console.screen.main_table().shown_columns if column.title.strip()]


def chosen(console) -> list[str]:
    return [column.title for _, column in console.screen.main_table().chosen_columns]


async def test_columns_are_chosen_by_name_and_remembered_for_the_next_console(open_console, workspace, file):
    before = {path: path.read_bytes() for path in workspace.root.rglob("*.json")}
    async with open_console((80, 24), read_only=True) as console:
        await console.press("3")
        await type_command(console, "columns session, version MODEL")
        assert titles(console) == ["SESSION", "VERSION", "MODEL"]
        assert "Shows SESSION, VERSION, MODEL." in console.sentence
    assert json.loads(file.read_text()) == {"columns": {"registry.versions": ["session", "version", "model"]}}
    assert {path: path.read_bytes() for path in workspace.root.rglob("*.json")} == before
    async with open_console((80, 24)) as console:
        await console.press("3")
        assert titles(console) == ["SESSION", "VERSION", "MODEL"]
        await type_command(console, "columns usual")
        assert titles(console)[:2] == ["MODEL", "VERSION"]
    assert json.loads(file.read_text()) == {"columns": {}}


async def test_the_dialog_shows_and_hides_columns_at_once(open_console, file):
    async with open_console((120, 40)) as console:
        await console.press("5")
        usual = chosen(console)
        await type_command(console, "columns")
        await console.press("j", "space")
        await console.press("escape")
        assert chosen(console) == [title for title in usual if title != "STATE"]
        await type_command(console, "columns")
        await console.press("j", "space", "k", "space", "escape")
        assert chosen(console)[-1] == "STATE"
        assert "SEVERITY" not in chosen(console)


async def test_the_last_column_stays(open_console):
    async with open_console((120, 40)) as console:
        await console.press("3")
        await type_command(console, "columns model")
        await type_command(console, "columns")
        await console.press("space", "escape")
        assert titles(console) == ["VERSION", "MODEL"]


async def test_the_names_that_keys_act_on_cannot_be_hidden(open_console):
    async with open_console((120, 40)) as console:
        await console.press("3")
        await type_command(console, "columns age")
        assert titles(console) == ["MODEL", "VERSION", "AGE"]
        assert "MODEL and VERSION cannot be hidden" in console.sentence


async def test_columns_that_cannot_be_saved_are_said(open_console, monkeypatch):
    async with open_console((120, 40)) as console:
        await console.press("3")
        monkeypatch.setattr(console.app.preferences, "choose_columns", lambda *_: "the disk is full")
        await type_command(console, "columns age")
        assert "not remembered: the disk is full" in console.sentence


async def test_a_wrong_column_is_refused_with_the_choices(open_console, file):
    async with open_console((120, 40)) as console:
        await console.press("3")
        await type_command(console, "columns model,colour")
        assert "There is no column colour. Columns to choose from: model," in console.sentence
    assert not file.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[1, 2",
        b'{"columns": 3}',
        b'{"columns": {"registry.versions": "model"}}',
        b'{"columns": {"registry.versions": [1, null]}}',
        b'{"columns": {"registry.versions": ["\\u001b[2J", "[@click=x]", "no such"]}}',
        b"[" * MAX_BYTES,
        b" " * (MAX_BYTES + 1),
    ],
    ids=["empty", "no text", "cut off", "a number", "a word", "no words", "unknown columns", "deep", "large"],
)
async def test_a_file_of_anything_shows_the_usual_columns(open_console, file, content):
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    async with open_console((80, 24)) as console:
        await console.press("3")
        assert titles(console)[:2] == ["MODEL", "VERSION"]
        await type_command(console, "columns version")
    assert read_preferences(file).columns["registry.versions"] == ("version",)


def test_a_pipe_in_the_place_of_the_file_blocks_nobody(file):
    file.parent.mkdir(parents=True)
    os.mkfifo(file)
    assert read_preferences(file) == Preferences()


def test_two_consoles_of_a_user_keep_each_others_choices(file):
    one, other = UserPreferences(file), UserPreferences(file)
    assert one.columns("alerts.alerts") == other.columns("alerts.alerts") == ()
    assert one.choose_columns("alerts.alerts", ("age",)) is None
    assert other.choose_columns("audit.records", ("verb",)) is None
    assert read_preferences(file).columns == {"alerts.alerts": ("age",), "audit.records": ("verb",)}


def test_a_file_that_cannot_be_written_is_said_and_the_choice_holds(tmp_path):
    (tmp_path / "no-folder").write_text("")
    remembered = UserPreferences(tmp_path / "no-folder" / "console.json")
    assert "no-folder" in (remembered.choose_columns("alerts.alerts", ("age",)) or "")
    assert remembered.columns("alerts.alerts") == ("age",)
