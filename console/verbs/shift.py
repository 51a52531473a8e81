"""The verb that shows the summary of a shift."""

from typing import TYPE_CHECKING, Any

from console.verbs.verb import Argument, Command, Key, Verb

if TYPE_CHECKING:
    from console.context import ConsoleControls
    from widgets.line import Line

SINCE_WORD = Argument("SINCE", lambda _snapshot, _before: ("8h", "12h", "1d", "3d"))


class ShowShift(Verb[None]):
    """Show what happened since the user left, or in the last hours."""

    name = "shift"
    key = Key("h", "", "Show the summary of the shift: what happened since you left, and who was here")
    command = Command(
        "what happened since you left, or since a time: 8h, 02:50, or 2026-03-01T02:50 (UTC)", options=(SINCE_WORD,)
    )

    def do(self, app: "ConsoleControls", thing: None, *options: Any) -> None:
        """Open the summary, which is read in a thread.

        Raises:
            UsageError: The word is no length and no time.
        """
        from console.dialogs.text import TextDialog
        from core.view.shift import SHORTEST, start_of_shift

        until, word = app.now(), options[0] if options else None
        left_at = app.left_at if word is None else None
        since = left_at if left_at is not None and until - left_at >= SHORTEST else start_of_shift(word, until)
        title = "Shift: since you left" if since is left_at else "Shift"

        def look() -> "list[Line]":
            from console.presentation.shift import left_lately_lines, shift_lines
            from core.view.shift import shift_summary

            lines = shift_lines(shift_summary(app.workspace, since, until))
            return lines if left_at is None or since is left_at else [*left_lately_lines(left_at, since, until), *lines]

        app.push_screen(TextDialog(title, look))
