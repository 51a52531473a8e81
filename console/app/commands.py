"""The command line of one console: its history, completion and execution."""

import logging
from collections.abc import Iterator, Sequence

from console.context import ConsoleControls
from console.presentation.phrases import BUG
from core.errors import CoreError

log = logging.getLogger("bondx.console")

# The parts of a command line are imported when the first one is typed: no first frame needs them.


class Commands:
    """The command line behind every screen's prompt and the palette."""

    def __init__(self, app: ConsoleControls) -> None:
        self._app = app
        self.history: list[str] = []
        """The lines entered so far, which all screens share."""
        self.filters: list[str] = []
        """The filters entered so far, which all screens share."""

    def complete(self, line: str) -> Sequence[str]:
        """Complete a command line."""
        from console.verbs.line import complete

        return complete(line, self._app)

    def run(self, line: str) -> None:
        """Carry out a command line; errors are shown, not raised: a bug must not end the console and its engine."""
        from console.verbs.line import carry_out, parse

        try:
            carry_out(self._app, parse(line))
        except CoreError as error:
            self._app.say(str(error), "warn")
        except Exception:
            log.exception("The command %r failed.", line)
            self._app.say(BUG, "bad")

    def every_line(self) -> Iterator[tuple[str, str]]:
        """Yield every command with its possible arguments and its summary."""
        from console.verbs.line import every_line

        for line, verb in every_line(self._app):
            yield line, verb.command.summary if verb.command else ""
