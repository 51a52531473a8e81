"""The way from screen to screen: a key and a command for each, from the list of screens."""

from typing import TYPE_CHECKING, Any

from console.screen_catalog import SCREENS, ScreenEntry
from console.verbs.verb import Command, Key, Verb

if TYPE_CHECKING:
    from console.context import ConsoleControls


class Go(Verb[None]):
    """Show a screen."""

    def __init__(self, screen: ScreenEntry) -> None:
        self.name = screen.name
        self.key = Key(screen.key, "", screen.title, takes_next_keys=True)
        self.command = Command(screen.summary)

    def do(self, app: "ConsoleControls", thing: None, *options: Any) -> Any:
        """Go there. It leaves nothing to return to: who presses a number knows where to go."""
        return app.action_go(self.name, is_jump=False)


GO = tuple(Go(screen) for screen in SCREENS if screen.key)
