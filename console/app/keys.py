"""The keys of the console as data: one table makes the bindings, the footer and the help.

Lowercase never changes anything; capitals change, and ask first; Enter never confirms.
"""

from collections.abc import Iterable, Sequence

import msgspec
from textual.binding import Binding

from console.navigation import SCREENS
from widgets.line import Line


class Key(msgspec.Struct, frozen=True):
    """A key: what it is called in the footer, what it does in plain words, and whether it changes anything."""

    keys: str  # as Textual names them, several with commas
    action: str
    label: str  # for the footer; "" keeps it out of there
    words: str
    sign: str = ""  # as people write it, where that is not `keys`
    writes: bool = False
    pinned: bool = False  # stays in the footer when there is little room
    takes_next_keys: bool = False  # done before any key behind it is looked at: those belong to what it opens

    @property
    def display(self) -> str:
        """The key as people write it."""
        return self.sign or self.keys

    def binding(self) -> Binding:
        """Build Textual's binding."""
        return Binding(self.keys, self.action, self.label, show=False, priority=self.takes_next_keys)


MOVE = (
    Key("", "", "", "down, up; also the arrows", "j k"),
    Key("", "", "", "first, last", "g G"),
    Key("", "", "", "next pane", "Tab"),
)
FILTER = Key("slash", "filter", "filter", "Show only rows with these words", "/", takes_next_keys=True)
DETAILS = Key("d", "details", "details", "Show or hide the details of the row; Enter does the same")
COMPARE = Key("c", "compare", "compare", "Compare two versions: the marked ones, or the row with what is live")
MARK = Key("space", "mark", "mark", "Mark a version for comparing", "Space")
TREE = Key("t", "tree", "tree", "Draw what the version came from and went into; t or Esc goes back to the list")
RUNS = Key("r", "runs", "runs", "Show the runs that are tracked; Esc goes back to the sessions")
MARK_RUN = Key("space", "mark", "mark", "Mark a run for comparing", "Space")
COMPARE_RUNS = Key("c", "compare", "compare", "Compare two runs: the marked ones, or the row with the one below it")
LOGS = Key("l", "logs", "logs", "Read the newest log lines")
WHY = Key("w", "why", "why", "Show the gates and the evidence behind it")
COPY = Key("y", "copy", "copy", "Copy the row or the details, also over SSH")
FREEZE = Key("p", "freeze", "freeze", "Freeze the screen, or let it go on")
PAST = Key("less_than_sign", "past", "past", "Go back through the recorded past, change by change", "<")
FORTH = Key("greater_than_sign", "forth", "", "Go forth again, up to now; p comes back at once", ">")
ZOOM = Key("plus", "zoom", "zoom", "Zoom the pane; Esc takes it back", "+")
COMMAND = Key("colon", "command", "command", "Type a command; Tab completes it", ":", takes_next_keys=True)
HELP = Key("question_mark", "help", "help", "These keys", "?", pinned=True)
PALETTE = Key("", "", "", "Search for a command by its name", "Ctrl+P")
ARM = Key("exclamation_mark", "arm", "", "Arm or disarm writes", "!")
BACK = Key("escape", "back", "", "One layer out", "Esc")
QUIT = Key("q", "leave", "quit", "Leave; an engine elsewhere stays untouched", pinned=True)

PROMOTE = Key("P", "promote", "promote", "Promote the version one stage (asks first)", writes=True)
ROLL_BACK = Key("R", "roll_back", "roll back", "Go back to the version that was live before (asks first)", writes=True)
UNDO = Key("U", "undo", "undo", "Take the last change of the model's stages back (asks first)", writes=True)
HOLD = Key("H", "hold", "hold", "Hold the session after its epoch, or resume it (asks first)", writes=True)
CANARY = Key("C", "canary", "canary", "Start a canary of the version: some of the traffic (asks first)", writes=True)
ADVANCE = Key("P", "advance", "advance", "Go one step further; after the last one, live (asks first)", writes=True)
ABORT = Key("A", "abort", "abort", "Return all traffic to the stable version (asks first)", writes=True)
TAKE_BACK = Key("R", "take_back", "roll back", "The same; once promoted, bring the version before back", writes=True)
HOLD_ROLLOUT = Key("H", "hold_rollout", "hold", "Hold the rollout at its share, or resume it (asks first)", writes=True)
START_STOP = Key("S", "start_stop", "start/stop", "Start a session, or stop the one at work (asks first)", writes=True)
ACKNOWLEDGE = Key("K", "acknowledge", "acknowledge", "Take the alert on (asks first)", writes=True)

EVERYWHERE = (FILTER, LOGS, FREEZE, PAST, FORTH, ZOOM, COPY, COMMAND, HELP, ARM, BACK, QUIT)


def screen_keys() -> tuple[Key, ...]:
    """Return the keys that lead from screen to screen."""
    return tuple(Key(key, f"app.go('{name}')", "", title, takes_next_keys=True) for key, name, title in SCREENS)


def bindings(*keys: Key) -> list[Binding]:
    """Build the bindings of keys that are bound by us; those that only the help names have none."""
    return [key.binding() for key in keys if key.keys]


def help_lines(own: Sequence[Key]) -> list[Line]:
    """Explain the keys of a screen, its own first.

    Args:
        own: The keys that only this screen has, in the order of its footer.
    """
    lines = [Line((("Lowercase never changes anything. Capitals do, and ask first. Enter never confirms.", "muted"),))]
    sections: tuple[tuple[str, Iterable[Key]], ...] = (
        ("On this screen", own),
        ("Moving", (*MOVE, *screen_keys())),
        ("Everywhere", (*EVERYWHERE, PALETTE)),
    )
    for title, keys in sections:
        lines += [Line(), Line(((title, "title"),))]
        lines += [Line(((f"  {key.display:<9}", "key"), (key.words, ""))) for key in keys]
    return lines
