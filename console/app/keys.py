"""The keys of a console as its user or its settings have them, with errors that name file, line, column and id."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from console.runtime.preferences import UserPreferences
from console.screen_catalog import SCREENS
from console.verbs.catalog import EVERYWHERE, own_verbs
from console.verbs.keymap import Keymap, KeyProblemError
from core.settings import Settings, SettingsError

BY_SETTINGS = ("console", "keys")
BY_USER = ("keys",)


def checked_keymap(settings: Settings, file: Path) -> Keymap:
    """Read the keys of the settings.

    Args:
        settings: The settings.
        file: The file that they come from, for errors.
    Raises:
        SettingsError: An id does not exist, a key breaks the rule of keys, or two verbs of a screen share it.
    """
    return _checked(settings.console.keys, file, BY_SETTINGS)


def keymap_in_force(settings: Settings, file: Path, preferences: UserPreferences) -> Keymap:
    """Read the keys of the user, or of the settings if the user has chosen none: hands know one set of keys.

    Args:
        settings: The settings of the workspace.
        file: The file that they come from, for errors.
        preferences: The choices of the user.
    Raises:
        SettingsError: An id does not exist, a key breaks the rule of keys, or two verbs of a screen share it.
    """
    if preferences.keys:
        return _checked(preferences.keys, preferences.file, BY_USER)
    return checked_keymap(settings, file)


def _checked(chosen: Mapping[str, str], file: Path, place: tuple[str, ...]) -> Keymap:
    if not chosen:
        return Keymap()
    try:
        keymap = Keymap(chosen)
        for screen in SCREENS:
            shown = getattr(import_module(f"console.screens.{screen.name}"), f"{screen.name.capitalize()}Screen")
            keymap.refuse_conflicts(screen.title, (*own_verbs(screen.name, shown.NOUNS), *EVERYWHERE))
    except KeyProblemError as problem:
        from core.settings.yaml_source import read_yaml

        verb_id = problem.verb_id
        source, path = read_yaml(file), (*place, verb_id)
        problem_here = f"{'.'.join(path)} is {chosen.get(verb_id)!r}: {problem}"
        raise SettingsError(file, problem_here, **source.place_of(path)) from None
    return keymap
