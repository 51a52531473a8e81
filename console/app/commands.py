"""The command line of one console: what was entered, what completes it, and carrying it out."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from console.context import ConsoleControls
from core.errors import CoreError
from themes.palettes import THEMES

if TYPE_CHECKING:
    from console.app.commandline import Vocabulary

# What a command line consists of is imported when one is typed: no first frame needs it.


class Commands:
    """Every screen's prompt and the palette lead here."""

    def __init__(self, app: ConsoleControls) -> None:
        self._app = app
        self.history: list[str] = []
        """The lines entered so far, which all screens share."""

    def complete(self, line: str) -> Sequence[str]:
        """Complete a command line."""
        from console.app import commandline

        return commandline.complete(line, self._vocabulary())

    def run(self, line: str) -> None:
        """Carry a command line out; what is wrong with it is said, not raised."""
        from console.app import commandline
        from console.app.command_handlers import carry_out

        try:
            carry_out(self._app, commandline.parse(line))
        except CoreError as error:
            self._app.say(str(error), "warn")

    def every_line(self) -> Iterator[tuple[str, str]]:
        """Yield every command with every word it may take, and its summary."""
        from console.app import commandline

        for line, command in commandline.every_line(self._vocabulary()):
            yield line, command.summary

    def _vocabulary(self) -> "Vocabulary":
        from console.app.commandline import Vocabulary

        return Vocabulary.of(self._app.newest, tuple(THEMES))
