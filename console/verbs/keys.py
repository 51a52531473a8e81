"""From the list of verbs to keys: Textual's bindings, the footer, the help.

Lowercase never changes anything; capitals change, and ask first; Enter never confirms.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from textual.binding import Binding, BindingType

from console.verbs.catalog import EVERYWHERE
from console.verbs.screens import GO
from console.verbs.verb import Key, Verb
from widgets.line import Line

MOVING = (
    Key("", "", "down, up; also the arrows", sign="j k"),
    Key("", "", "first, last", sign="g G"),
    Key("", "", "next pane", sign="Tab"),
)


def bindings(verbs: Iterable[Verb[Any]]) -> list[BindingType]:
    """Build the bindings of verbs; keys bound elsewhere get none."""
    return [
        Binding(key.keys, verb.action, key.label, show=False, priority=key.takes_next_keys, id=verb.id)
        for verb in verbs
        if (key := verb.key) is not None and key.keys
    ]


def help_lines(own: Sequence[Verb[Any]], key_of: Callable[[Verb[Any]], Key | None]) -> list[Line]:
    """Explain the keys of a screen, its own first.

    Args:
        own: The verbs of this screen alone, in the order of its footer.
        key_of: Returns the key of a verb, as the settings have it.
    """
    everywhere = [verb for verb in EVERYWHERE if verb not in GO]
    sections: tuple[tuple[str, Iterable[Key | None]], ...] = (
        ("On this screen", (key_of(verb) for verb in own)),
        ("Moving", (*MOVING, *(key_of(verb) for verb in GO))),
        ("Everywhere", (key_of(verb) for verb in everywhere)),
    )
    lines = [Line((("Lowercase never changes anything. Capitals do, and ask first. Enter never confirms.", "muted"),))]
    for title, keys in sections:
        lines += [Line(), Line(((title, "title"),))]
        lines += [Line(((f"  {key.display:<9}", "key"), (key.words, ""))) for key in keys if key]
    return lines
