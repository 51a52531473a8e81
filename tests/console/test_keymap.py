"""Keys that the settings change: bound, shown, and refused where they break the rule of keys."""

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.app.app import BondxApp
from console.app.keys import checked_keymap
from console.dialogs.change import ChangeDialog
from console.presentation import keys
from console.runtime.preferences import UserPreferences, preferences_file, read_preferences
from console.verbs.catalog import VERBS
from console.verbs.keymap import MOVABLE, Keymap, KeyProblemError
from core.settings import SettingsError, load_settings
from tests.console.test_verbs import MULTIPLEXERS
from widgets.textual_internals import key_named

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guide.md"


@pytest.fixture(autouse=True)
def usual_keys() -> Iterator[None]:
    yield
    keys.bind_signs({})


def configure(workspace, keys: str) -> None:
    workspace.settings_file.write_text(f"console:\n  keys:\n{keys}", encoding="utf-8")


def test_an_id_means_one_key():
    ids = [verb.id for verb in VERBS if verb.key]
    assert len(ids) == len(set(ids))


def test_the_guide_lists_every_id_with_its_key_and_sentence():
    section = GUIDE.read_text(encoding="utf-8").split("## Other keys")[1].split("\n## ")[0]
    rows = [f"| `{name}` | `{verb.key.display}` | {verb.key.words} |" for name, verb in sorted(MOVABLE.items())]
    assert [line for line in section.splitlines() if line.startswith("| `")] == rows


async def test_a_changed_key_works_and_is_shown_and_the_usual_key_is_free(open_console, workspace):
    configure(workspace, '    registry.promote: "B"\n    console.sort: "x"\n    console.filter: "="\n')
    async with open_console((160, 48)) as console:
        await console.press("3")
        assert "B promote" in console.text()
        await console.press("x")
        assert "Sorted by" in console.sentence
        await console.press("equals_sign", *"spread=/sx", "escape", "P")
        assert "P does nothing on this screen" in console.sentence
        await console.press("question_mark")
        assert "B        Promote the version" in console.text()
        await console.press("escape")
        await console.dialog("B")
        assert "Promote" in console.text()


async def test_two_keys_may_change_places(open_console, workspace):
    configure(workspace, "    console.sort: i\n    console.reverse: s\n")
    async with open_console((120, 40)) as console:
        await console.press("3", "s")
        assert "sorts it by its next column" in console.sentence
        await console.press("i")
        assert "Sorted by MODEL" in console.sentence


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("registry.promte: B", "did you mean registry.promote?"),
        ("registry.promote: b", "lowercase never changes anything"),
        ('registry.promote: "+"', "so its key is a capital"),
        ("console.sort: B", "so its key must not be a capital"),
        ('registry.promote: "Y"', "Y is fixed: it confirms in dialogs"),
        ('registry.promote: "N"', "N is fixed: it answers a question"),
        ('console.sort: "n"', "n is fixed: it answers a question"),
        ('console.sort: "y"', "y is fixed: it answers a question"),
        ('console.sort: "."', ". is fixed: it is part of a version"),
        ("console.sort: Tab", "Esc and Tab are fixed; choose another key"),
        ("console.sort: Esc", "Esc and Tab are fixed; choose another key"),
        ("console.sort: j", "j is fixed"),
        ('console.sort: "3"', "3 is fixed"),
        ("console.back: x", "there is no such id"),
        ("console.sort: Enter", "Enter, Esc and Tab are fixed"),
        ('console.sort: "é"', "one printable character"),
        ('console.sort: ""', "one printable character"),
        ("console.sort: d", "d is also the key of console.details on"),
        ("registry.promote: R", "is also the key of registry."),
        *((f"console.sort: {key}", "belong to terminals") for key in sorted({*MULTIPLEXERS, "Ctrl+A", "alt+x"})),
    ],
)
def test_a_key_that_breaks_the_rule_is_refused_with_its_line(workspace, line, told):
    configure(workspace, f"    {line}\n")
    number = workspace.settings_file.read_text().splitlines().index(f"    {line}") + 1
    with pytest.raises(SettingsError) as refused:
        checked_keymap(load_settings(workspace.settings_file), workspace.settings_file)
    name = line.partition(":")[0]
    assert f"bondx.yaml, line {number}, column 5: console.keys.{name} is" in str(refused.value)
    assert told in str(refused.value)


def test_no_key_that_the_dialog_of_a_change_reads_is_bound_to_a_verb(workspace):
    read = set()
    for key in (key for binding in ChangeDialog.BINDINGS for key in binding.key.split(",")):
        sign = next((sign for sign in map(chr, range(33, 127)) if key_named(sign) == key), None)
        if sign is not None:
            read.add(sign)
            with pytest.raises(KeyProblemError, match="choose another key"):
                Keymap({"registry.promote" if sign.isupper() else "console.sort": sign})
    assert {"Y", "j", "k", "0", "9", "."} <= read


async def test_a_key_of_the_settings_does_nothing_behind_a_dialog(open_console, workspace):
    configure(workspace, "    console.sort: x\n    console.zoom: e\n    registry.promote: B\n    console.filter: '='\n")
    async with open_console((160, 48)) as console:
        await console.press("3")
        assert console.screen.main_table().move_to("spread/1.2.0")
        await console.settled()
        dialog = await console.dialog("R")
        console.time.pass_deafness()
        await console.press("x", "e", "B", "equals_sign")
        assert console.app.screen is dialog
        assert not console.screen.is_zoomed
        assert not console.screen.is_asking
        await console.press("escape")
        assert console.screen.main_table().order is None


def test_two_changed_keys_that_meet_are_refused(workspace):
    configure(workspace, "    console.sort: x\n    console.reverse: x\n")
    with pytest.raises(SettingsError, match="x is also the key of console"):
        checked_keymap(load_settings(workspace.settings_file), workspace.settings_file)


def test_the_keys_that_sentences_name_are_those_of_the_verbs():
    assert {name: MOVABLE[name].key.display for name in keys._USUAL} == keys._USUAL


@pytest.mark.parametrize("folder", ["app", "dialogs", "presentation", "runtime", "screens", "verbs"])
def test_no_sentence_names_a_key_that_the_settings_may_change(folder):
    named = {verb.key.display for verb in MOVABLE.values()} - {"Space"}
    key = re.compile(rf"(?:^|[ ;(])([{re.escape(''.join(named))}]) (?!a\b)[a-z]+s\b")
    fixed = {"Copied into tmux (prefix ] pastes it)", "/ looks for a text."}  # keys of tmux, and of the logs alone
    told = [
        f"{file.name}: {text.value}"
        for file in (ROOT / "console" / folder).rglob("*.py")
        for text in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(text, ast.Constant)
        and isinstance(text.value, str)
        and text.value not in fixed
        and key.search(text.value)
    ]
    assert told == []


async def test_advice_names_the_keys_that_the_settings_bind(open_console, workspace):
    configure(
        workspace,
        '    alerts.acknowledge: "V"\n    training.pause_or_resume: "J"\n    console.toggle_writes: "u"\n'
        '    registry.undo: "B"\n',
    )
    async with open_console((160, 48)) as console:
        await console.press("5")
        assert "V acknowledges it" in console.text()
        assert "K acknowledges it" not in console.text()
        await console.press("escape", "2")
        await console.dialog("J")
        assert "J resumes it" in console.text()
        console.time.pass_deafness()
        await console.press("escape", "u", "J")
        assert "press u to arm" in console.sentence


def test_another_console_of_the_process_has_keys_of_its_own(workspace):
    configure(workspace, '    alerts.acknowledge: "V"\n')
    BondxApp(workspace, load_settings(workspace.settings_file))
    assert keys.sign_of("alerts.acknowledge") == "V"
    configure(workspace, '    alerts.resolve: "V"\n')
    BondxApp(workspace, load_settings(workspace.settings_file))
    assert keys.sign_of("alerts.acknowledge") == "K"
    assert keys.with_keys("{alerts.resolve} resolves it.") == "V resolves it."


@pytest.mark.parametrize("line", ["console.sort: d", "registry.promte: B"])
async def test_a_console_opens_with_the_usual_keys_where_one_is_broken_and_names_it(open_console, workspace, line):
    configure(workspace, f"    console.filter: x\n    {line}\n")
    async with open_console((160, 48)) as console:
        assert any(line.partition(":")[0] in problem for problem in console.app.snapshot.problems)
        assert "damage" in console.text()
        await console.press("3", "s")
        assert "sorts it by its next column" in console.sentence or "Sorted by" in console.sentence
        await console.press("x")
        assert "Sorted by" in console.sentence, "x has no meaning: no key of a broken set is bound"


async def test_the_keys_of_the_user_go_before_those_of_the_workspace(open_console, workspace, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    file = preferences_file(os.environ)
    file.parent.mkdir(parents=True)
    file.write_text('{"keys": {"registry.promote": "B"}}')
    configure(workspace, "    registry.promote: M\n    console.sort: x\n")
    async with open_console((160, 48)) as console:
        await console.press("3")
        assert "B promote" in console.text()
        await console.press("x")
        assert console.sentence == ""
    assert UserPreferences(file).choose_columns("registry.versions", ("version",)) is None
    assert read_preferences(file).keys == {"registry.promote": "B"}, "other choices leave it alone"


async def test_a_broken_key_of_the_user_is_named_with_its_line(open_console, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    file = preferences_file(os.environ)
    file.parent.mkdir(parents=True)
    file.write_text('{"keys": {\n"registry.promote": "b"}}')
    async with open_console((160, 48)) as console:
        assert f"{file}, line 2, column 1: keys.registry.promote is 'b'" in " ".join(console.app.snapshot.problems)


def test_other_keys_than_before_are_named_those_that_change_something_first():
    before, after = Keymap({"registry.promote": "B"}), Keymap({"console.sort": "x", "registry.promote": "M"})
    assert after.differences(before) == "Other keys here: M registry.promote, x console.sort."
    assert before.differences(before) == ""
    assert Keymap().differences(before) == "Other keys here: P registry.promote."
