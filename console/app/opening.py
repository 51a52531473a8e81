"""What a console needs of a workspace before it shows it: settings that can be used, and documents that can be read."""

from console.app.keys import keymap_in_force
from console.runtime.preferences import UserPreferences
from console.verbs.keymap import Keymap
from core.errors import RefusedError
from core.settings import Settings, SettingsError, settings_in_force
from core.settings.console import ConsoleSettings
from core.state import Workspace


def settings_to_show(workspace: Workspace) -> Settings:
    """Return the settings of a workspace, or the usual ones, disarmed, if its file cannot be used.

    An operator gets in whatever the file says; the snapshot names the file as a problem.
    """
    try:
        return settings_in_force(workspace.root, cached_in=workspace.cache_dir / "settings.json")
    except SettingsError:
        return Settings(console=ConsoleSettings(armed=False))


def keys_to_bind(workspace: Workspace, settings: Settings, preferences: UserPreferences) -> tuple[Keymap, str]:
    """Return the keys of a console, and the problem with them: then they are the usual keys."""
    try:
        return keymap_in_force(settings, workspace.settings_file, preferences), ""
    except SettingsError as error:
        return Keymap(), f"{error} The usual keys are bound until the console is opened again."


def require_whole(workspace: Workspace) -> None:
    """Refuse a workspace that a console cannot show whole: nothing may be stopped for it.

    Raises:
        SettingsError: Its settings or keys cannot be used.
        RefusedError: A file of its state cannot be read.
    """
    from core.view.source import SnapshotSource

    settings = settings_in_force(workspace.root, cached_in=workspace.cache_dir / "settings.json")
    keymap_in_force(settings, workspace.settings_file, UserPreferences())
    if problems := SnapshotSource(workspace, history_seconds=60, looks_at_epochs=False).take().problems:
        raise RefusedError(" ".join(problems))
