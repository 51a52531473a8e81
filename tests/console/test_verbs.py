"""The list of verbs: what it says of keys and commands agrees with itself, with the screens and with the README."""

import re
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from console.screen_catalog import SCREENS
from console.verbs import catalog
from console.verbs.catalog import COMMANDS, EVERYWHERE, VERBS, own_verbs
from console.verbs.keys import MOVING
from console.verbs.rollout import HOLD_OR_RESUME
from console.verbs.session import PauseOrResume, StartOrStop
from console.verbs.verb import Change, ScreenAction
from core.training.session import DesiredSession, SessionPhase
from core.training.sessions import Sessions

README = Path(__file__).parents[2] / "README.md"
WITH_KEYS = [verb for verb in VERBS if verb.key is not None]
CLASSES = {
    screen.name: getattr(import_module(f"console.screens.{screen.name}"), f"{screen.name.capitalize()}Screen")
    for screen in SCREENS
}
MULTIPLEXERS = {"ctrl+a", "ctrl+b", "ctrl+d", "ctrl+k", "ctrl+z", "backspace"}


def name_of(verb) -> str:
    return verb.name


def readme_keys() -> dict[str, str]:
    """What the README's table says of each key, all its rows joined."""
    table = README.read_text().split("## Keys")[1].split("\n## ")[0]
    said: dict[str, str] = {}
    for keys, words in re.findall(r"^\| (`.*`) \| (.*) \|$", table, re.MULTILINE):
        for key in re.findall(r"`(.*?)`", keys):
            said[key] = said.get(key, "") + words + " "
    return said


def test_a_name_means_one_verb():
    names = [verb.name for verb in VERBS if not isinstance(verb, ScreenAction)]
    words = [word for verb in COMMANDS for word in (verb.name, *verb.command.aliases)]
    assert len(names) == len(set(names))
    assert len(words) == len(set(words))


@pytest.mark.parametrize("verb", WITH_KEYS, ids=name_of)
def test_only_verbs_that_change_something_have_capitals(verb):
    is_capital = len(verb.key.keys) == 1 and verb.key.keys.isupper()
    assert is_capital is verb.changes
    assert not verb.changes or ("asks first" in verb.key.words and isinstance(verb, Change))


@pytest.mark.parametrize("verb", WITH_KEYS, ids=name_of)
def test_a_key_is_explained_in_a_sentence_and_named_in_at_most_two_words(verb):
    assert verb.key.words
    assert len(verb.key.label.split()) <= 2
    assert not MULTIPLEXERS & set(verb.key.keys.split(","))
    assert "alt+" not in verb.key.keys


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb.changes and verb.key], ids=name_of)
def test_a_key_that_changes_something_says_why_it_is_dim_without_an_object(verb):
    assert verb.noun.missing


@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen.name)
def test_no_key_of_a_screen_is_bound_twice(screen):
    own = own_verbs(screen.name, CLASSES[screen.name].NOUNS)
    keys = [word for verb in (*own, *EVERYWHERE) if verb.key.keys for word in verb.key.keys.split(",")]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen.name)
def test_a_screen_has_the_actions_of_its_keys(screen):
    shown = CLASSES[screen.name]
    assert all(callable(getattr(shown, f"action_{v.name}")) for v in shown.VERBS if isinstance(v, ScreenAction))


def test_every_key_is_offered_on_an_existing_screen():
    offered = {verb for shown in CLASSES.values() for verb in shown.VERBS} | set(EVERYWHERE)
    assert [verb.name for verb in WITH_KEYS if verb not in offered] == []
    assert {name for verb in VERBS for name in verb.on} <= set(CLASSES)


@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen.name)
def test_a_footer_begins_with_the_changes_of_the_main_object(screen):
    shown = CLASSES[screen.name]
    ranks = [shown.NOUNS.index(verb.noun) if verb.changes else len(shown.NOUNS) for verb in shown.VERBS]
    assert ranks == sorted(ranks)


@pytest.mark.parametrize("verb", WITH_KEYS, ids=name_of)
def test_the_readme_explains_every_key(verb):
    said = readme_keys()
    assert verb.key.display in said
    if verb.changes:
        assert all(word in said[verb.key.display] for word in verb.key.label.split("/"))


def test_the_readme_explains_no_missing_key():
    known = {verb.key.display for verb in WITH_KEYS} | {"Enter", "PgUp", "PgDn"}
    assert set(readme_keys()) <= known | {sign for key in MOVING for sign in key.display.split()}


@pytest.mark.parametrize("key", ["1", "2", "3", "4", "5", "7", "8", "9"])
async def test_the_footer_of_every_screen_names_the_keys_of_an_incident_first(open_console, key):
    for size in ((80, 24), (120, 40), (160, 48)):
        async with open_console(size) as console:
            await console.press(key)
            footer = console.text().splitlines()[-1]
            shown = re.findall(r"(\S+) [a-z/]+(?: [a-z]+)?\)?(?:  |$)", footer)
            assert shown[-2:] == ["?", "q"], footer
            if size[0] >= 120:
                assert {"d", "/", "l", "p", "<"} <= set(shown), footer
            assert not ("*" in shown and "<" not in shown), footer


def test_every_verb_of_a_footer_that_only_looks_has_its_place_there():
    looking = {verb.name for verb in catalog.VERBS if verb.key and verb.key.label and not verb.changes}
    assert looking - {"help", "quit"} == set(catalog._IN_FOOTER)


@pytest.mark.parametrize(
    ("phase", "desired", "labels"),
    [
        (SessionPhase.RUNNING, DesiredSession.RUNNING, ("pause", "stop")),
        (SessionPhase.PAUSED, DesiredSession.PAUSED, ("resume", "stop")),
        (SessionPhase.STOPPED, DesiredSession.STOPPED, ("resume", "start")),
        (SessionPhase.STOPPING, DesiredSession.STOPPED, ("resume", "start")),
    ],
)
def test_the_footer_names_what_a_key_of_two_meanings_does_to_the_session(workspace, phase, desired, labels):
    session = Sessions(workspace).all()[-1]
    session = replace(session, desired=desired, observed=replace(session.observed, phase=phase))
    assert (PauseOrResume().label(session), StartOrStop().label(session)) == labels
    assert (PauseOrResume().label(None), StartOrStop().label(None)) == ("pause", "start")
    assert StartOrStop().key.label == "start"


@pytest.mark.parametrize(("needs_resuming", "label"), [(True, "resume"), (False, "hold")])
def test_the_footer_names_what_h_does_to_the_rollout(needs_resuming, label):
    rollout = SimpleNamespace(needs_resuming=needs_resuming)
    assert HOLD_OR_RESUME.label(rollout) == label
