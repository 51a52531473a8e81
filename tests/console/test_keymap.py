"""Keys that the settings change: bound, shown, and refused where they break the rule of keys."""

from pathlib import Path

import pytest

from console.app.app import BondxApp
from console.verbs.catalog import VERBS
from console.verbs.keymap import MOVABLE
from core.settings import SettingsError, load_settings
from tests.console.test_verbs import MULTIPLEXERS

GUIDE = Path(__file__).parents[2] / "docs" / "guide.md"


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
        ("console.sort: j", "j is fixed"),
        ('console.sort: "3"', "3 is fixed"),
        ("console.back: x", "there is no such id"),
        ("console.sort: Enter", "Enter and Esc are fixed"),
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
        BondxApp(workspace, load_settings(workspace.settings_file))
    name = line.partition(":")[0]
    assert f"bondx.yaml, line {number}: console.keys.{name} is" in str(refused.value)
    assert told in str(refused.value)


def test_two_changed_keys_that_meet_are_refused(workspace):
    configure(workspace, "    console.sort: x\n    console.reverse: x\n")
    with pytest.raises(SettingsError, match="x is also the key of console"):
        BondxApp(workspace, load_settings(workspace.settings_file))
