"""Verbs that only look or change the view: filter, details, logs, evidence, the past, themes, help."""

from typing import TYPE_CHECKING, Any

from console.verbs.verb import Argument, Command, Key, Noun, ScreenAction, Verb
from core.errors import UsageError
from themes.palettes import THEMES

if TYPE_CHECKING:
    from console.context import ConsoleControls


def theme_named(word: str) -> str:
    """Find a theme by its name, the prefix left out or not.

    Raises:
        UsageError: There is none.

    >>> theme_named("dark")
    'bondx-dark'
    """
    for name in (word, f"bondx-{word}"):
        if name in THEMES:
            return name
    raise UsageError(f"There is no theme {word}. Themes to choose from: {', '.join(THEMES)}.")


THEME_WORD = Argument("THEME", lambda _snapshot, _before: tuple(THEMES), read=theme_named)
TIME_WORD = Argument("TIME")

ROW: Noun[Any] = Noun(arguments=(), find=lambda _snapshot, _words: None)
"""A row of the list that every screen has."""
EVIDENCE: Noun[Any] = Noun(arguments=(), find=lambda _snapshot, _words: None)
"""The evidence behind a row, on the screens that have a `why`."""

DETAILS = ScreenAction(
    "details", Key("d", "details", "Show or hide the details of the row; Enter does the same"), noun=ROW
)
WHY = ScreenAction("why", Key("w", "why", "Show the gates and the evidence of the row"), noun=EVIDENCE)
FILTER = ScreenAction(
    "filter", Key("slash", "filter", "Show only the rows that contain your words", sign="/", takes_next_keys=True)
)
CHARTS = ScreenAction(
    "charts",
    Key("v", "charts", "Charts on the whole screen: scale, log axis, cursor; on Runs the marked runs over each other"),
    on=("training", "runs", "drift", "resources", "view"),
)
LOGS = ScreenAction("logs", Key("l", "logs", "Follow the logs: search, filter by severity, wrap"))
ZOOM = ScreenAction("zoom", Key("plus", "zoom", "Zoom the pane; Esc restores it", sign="+"))
COPY = ScreenAction("copy", Key("y", "copy", "Copy the row or the details, also over SSH"))
PROMPT = ScreenAction(
    "command", Key("colon", "command", "Type a command; Tab completes it", sign=":", takes_next_keys=True)
)
BACK = ScreenAction(
    "back", Key("escape", "", "Go back: out of a pane or filter, then to where you came from", sign="Esc")
)
PALETTE = ScreenAction("palette", Key("", "", "Search for a command by its name", sign="Ctrl+P"))
REDRAW = ScreenAction("redraw", Key("", "", "Draw the whole screen again, in dialogs too", sign="Ctrl+L"))
SUSPEND = ScreenAction(
    "suspend",
    Key("", "", "Suspend the console, unless it carries the engine; `fg` resumes it", sign="Ctrl+Z"),
)


class Freeze(Verb[None]):
    """Freeze the screen, or unfreeze it."""

    name = "freeze"
    key = Key("p", "freeze", "Freeze the screen, or unfreeze it")

    def do(self, app: "ConsoleControls", thing: None, *options: Any) -> None:
        """Freeze or unfreeze; from the past, return to the present."""
        app.toggle_freeze()


class Now(Verb[None]):
    """Return to the present."""

    name = "now"
    command = Command("return to the present, or unfreeze the screen")

    def offered(self, app: "ConsoleControls", thing: None) -> bool:
        """Offer it only where the present is not shown."""
        return app.frozen_at is not None

    def do(self, app: "ConsoleControls", thing: None, *options: Any) -> None:
        """Do nothing if the present is shown already."""
        if app.frozen_at is not None:
            app.toggle_freeze()


class Past(Verb[None]):
    """Show the workspace at a past time."""

    name = "past"
    command = Command(
        "show the workspace at a past time: 02:50, or 2026-03-01T02:50 (UTC)", options=(TIME_WORD,), n_required=1
    )

    def do(self, app: "ConsoleControls", thing: None, *options: Any) -> None:
        """Go to the instant; a time of day means its last occurrence."""
        from core.clock import read_instant

        app.playback.go(read_instant(options[0], app.clock()))


class StepBack(Verb[None]):
    """Go back by one change."""

    name = "step_back"
    key = Key("less_than_sign", "past", "Go back through the recorded past, change by change", sign="<")

    def do(self, app: "ConsoleControls", thing: None, *options: Any) -> None:
        """Show the moment before the newest change that is shown."""
        app.playback.step(-1)


class StepForward(Verb[None]):
    """Go on by one change."""

    name = "step_forward"
    key = Key("greater_than_sign", "", "Go forward again, up to now", sign=">")

    def do(self, app: "ConsoleControls", thing: None, *options: Any) -> None:
        """Show the next moment, and at last the present."""
        app.playback.step(1)


class StepToChange(Verb[None]):
    """Go to the previous or the next change by a person: in the record, elsewhere in the recorded past."""

    def __init__(self, name: str, key: Key, n: int) -> None:
        self.name, self.key, self._n = name, key, n

    def do(self, app: "ConsoleControls", thing: None, *options: Any) -> None:
        """Move the cursor of a screen that lists the changes; else show the moment before or after the change."""
        from console.navigation import ListsChanges

        if isinstance(screen := app.shown_screen(), ListsChanges):
            screen.move_to_change(self._n)
        else:
            app.playback.step(self._n, by_people=True)


PREVIOUS_CHANGE = StepToChange(
    "previous_change",
    Key("left_square_bracket", "", "Go back to before the last change by a person; on Audit to its record", sign="["),
    -1,
)
NEXT_CHANGE = StepToChange(
    "next_change",
    Key("right_square_bracket", "", "Go on to after the next change by a person; on Audit to its record", sign="]"),
    1,
)


class ToggleWrites(Verb[None]):
    """Arm or disarm writes."""

    name = "toggle_writes"
    key = Key("exclamation_mark", "", "Arm or disarm writes", sign="!")

    def do(self, app: "ConsoleControls", thing: None, *options: Any) -> None:
        """A read-only console says that it never arms."""
        app.toggle_arm()


class ArmWrites(Verb[None]):
    """Arm writes."""

    name = "arm"
    command = Command("allow writes")

    def offered(self, app: "ConsoleControls", thing: None) -> bool:
        """Offer it only where writes are disarmed and could be used."""
        return not (app.standing.armed or app.standing.read_only or app.playback.refusal)

    def do(self, app: "ConsoleControls", thing: None, *options: Any) -> None:
        """Do nothing if writes are armed already."""
        if not app.standing.armed or app.playback.refusal is not None:
            app.toggle_arm()


class Disarm(Verb[None]):
    """Disarm writes."""

    name = "disarm"
    command = Command("forbid writes")

    def offered(self, app: "ConsoleControls", thing: None) -> bool:
        """Offer it only where writes are armed."""
        return app.standing.armed

    def do(self, app: "ConsoleControls", thing: None, *options: Any) -> None:
        """Do nothing if writes are disarmed already."""
        if app.standing.armed:
            app.toggle_arm()


class Theme(Verb[None]):
    """Choose the colours."""

    name = "theme"
    command = Command("choose the colours", options=(THEME_WORD,), n_required=1)

    def do(self, app: "ConsoleControls", thing: None, *options: Any) -> None:
        """Show everything in the theme immediately."""
        app.theme = options[0]


class Help(Verb[None]):
    """Explain the keys of the screen."""

    name = "help"
    key = Key("question_mark", "help", "Show these keys", sign="?", pinned=True)
    command = Command("the keys of this screen")

    def do(self, app: "ConsoleControls", thing: None, *options: Any) -> None:
        """Show them over the screen."""
        if (screen := app.shown_screen()) is not None:
            screen.action_help()
