"""The keys of a console as its settings have them, with errors that name file, line and id."""

from importlib import import_module
from pathlib import Path

from console.screen_catalog import SCREENS
from console.verbs.catalog import EVERYWHERE, own_verbs
from console.verbs.keymap import Keymap, KeyProblemError
from core.settings import Settings, SettingsError


def checked_keymap(settings: Settings, file: Path) -> Keymap:
    """Read the keys of the settings.

    Args:
        settings: The settings.
        file: The file that they come from, for errors.
    Raises:
        SettingsError: An id does not exist, a key breaks the rule of keys, or two verbs of a screen share it.
    """
    chosen = settings.console.keys
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
        line = read_yaml(file).line_of(("console", "keys", verb_id))
        raise SettingsError(file, f"console.keys.{verb_id} is {chosen.get(verb_id)!r}: {problem}", line=line) from None
    return keymap
