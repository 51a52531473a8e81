"""From plain values to a view: every fault with its place, and the nearest name where a name is unknown."""

import difflib
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from core.errors import UsageError
from core.escape import escaped, is_shown_as_is, shown
from core.saved_views.panes import PANES
from core.saved_views.saved_view import MOST_PANES, SavedView, ViewPane

ValuePath = tuple[str | int, ...]
TellFault = Callable[[ValuePath, str], None]

NAME_RULE: Final = "1 to 40 characters: lowercase letters, digits, '-' and '_', starting with a letter"
RESERVED: Final = ("save", "delete")
"""Words that follow `:view` on the console's command line."""
MOST_NAMES: Final = 50
MOST_ROWS: Final = 200
_LONGEST = {"title": 80, "summary": 200, "filter": 200, "sort": 60, "name": 250, "value": 250}
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,39}")
VIEW_KEYS: Final = ("title", "summary", "models", "tags", "panes")
PANE_KEYS: Final = ("pane", "title", "columns", "filter", "sort", "rows")
_DIRECTIONS: Final = ("asc", "desc")


def checked_view(name: str, values: object) -> SavedView:
    """Make a view from plain values, as a program or a request has them.

    Args:
        name: Its name.
        values: A mapping with the keys of a view in a file.

    Raises:
        UsageError: Something is wrong; the message names the place of every fault, the value and what to do.

    >>> checked_view("desk", {"panes": ["alerts"]}).panes
    (ViewPane(pane='alerts', title='', columns=(), filter='', sort='', rows=0),)
    >>> checked_view("desk", {"panes": [{"pane": "models", "columns": ["helth"]}]})
    Traceback (most recent call last):
    ...
    core.errors.UsageError: desk.panes[0].columns[0]: 'helth' is no column of models; did you mean health?
    """
    faults: list[str] = []
    view = read_view(name, values, (), lambda path, problem: faults.append(f"{_spelled(name, path)}: {problem}"))
    if view is None:
        raise UsageError(". ".join(faults) + ("" if len(faults) == 1 else "."))
    return view


def read_view(name: str, values: object, path: ValuePath, tell: TellFault) -> SavedView | None:
    """Read one view, and tell its faults.

    Args:
        name: Its name.
        values: Its block.
        path: Where the block stands.
        tell: Takes the place and the problem of each fault.

    Returns:
        The view; None if it has a fault.
    """
    reading = _Reading(tell)
    return reading.view(name, values, path)


def parse_sort(text: str) -> tuple[str, bool]:
    """Part the column of a sort from its direction, which has to be sound.

    >>> parse_sort("health desc"), parse_sort("model")
    (('health', True), ('model', False))
    """
    column, _, direction = text.partition(" ")
    return column, direction.strip() == "desc"


def nearest(word: str, known: Sequence[str]) -> str:
    """Say which name was probably meant, else all names to choose from.

    >>> nearest("alrets", ("alerts", "drift")), nearest("x", ("alerts", "drift"))
    ('did you mean alerts?', 'choose from alerts, drift')
    """
    found = difflib.get_close_matches(word.casefold(), known, n=1, cutoff=0.5)
    return f"did you mean {found[0]}?" if found else f"choose from {', '.join(known)}"


class _Reading:
    def __init__(self, tell: TellFault) -> None:
        self._tell_on = tell
        self._is_sound = True

    def _tell(self, path: ValuePath, problem: str) -> None:
        self._is_sound = False
        self._tell_on(path, problem)

    def view(self, name: str, values: object, path: ValuePath) -> SavedView | None:
        if not isinstance(name, str) or _NAME.fullmatch(name) is None:
            self._tell(path, f"{shown(name)} is no name of a view: {NAME_RULE}")
        elif name in RESERVED:
            self._tell(path, f"{name} is a word of the command line: choose another name")
        fields = self._mapping(values, path, VIEW_KEYS, "a view")
        if fields is None:
            return None
        view = SavedView(
            name=name,
            title=self._text(fields.get("title"), (*path, "title"), "title"),
            summary=self._text(fields.get("summary"), (*path, "summary"), "summary"),
            models=self._names(fields.get("models"), (*path, "models")),
            tags=self._tags(fields.get("tags"), (*path, "tags")),
            panes=self._panes(fields.get("panes"), (*path, "panes")),
        )
        return view if self._is_sound else None

    def _panes(self, given: object, path: ValuePath) -> tuple[ViewPane, ...]:
        if not isinstance(given, list | tuple) or not 1 <= len(given) <= MOST_PANES:
            self._tell(path, f"panes must be a list of 1 to {MOST_PANES} panes: {', '.join(PANES)}")
            return ()
        found = [self._pane(each, (*path, place)) for place, each in enumerate(given)]
        return tuple(pane for pane in found if pane is not None)

    def _pane(self, given: object, path: ValuePath) -> ViewPane | None:
        values = {"pane": given} if isinstance(given, str) else given
        fields = self._mapping(values, path, PANE_KEYS, "a pane")
        if fields is None:
            return None
        here = path if isinstance(given, str) else (*path, "pane")
        name = fields.get("pane")
        kind = PANES.get(name) if isinstance(name, str) else None
        if kind is None:
            problem = "the pane is missing" if name is None else f"{shown(str(name))} is no pane"
            self._tell(here, f"{problem}; {nearest(str(name or ''), tuple(PANES))}")
            return None
        columns = self._columns(fields.get("columns"), (*path, "columns"), kind.name)
        sort = self._sort(fields.get("sort"), (*path, "sort"), kind.name)
        return ViewPane(
            pane=kind.name,
            title=self._text(fields.get("title"), (*path, "title"), "title"),
            columns=columns,
            filter=self._text(fields.get("filter"), (*path, "filter"), "filter"),
            sort=sort,
            rows=self._rows(fields.get("rows"), (*path, "rows")),
        )

    def _columns(self, given: object, path: ValuePath, pane: str) -> tuple[str, ...]:
        known = PANES[pane].columns
        names = self._list(given, path)
        for place, name in enumerate(names):
            if name not in known:
                self._tell((*path, place), self._no_column(str(name), pane))
            elif name in names[:place]:
                self._tell((*path, place), f"{name} is given twice; keep one")
        return tuple(names)

    def _no_column(self, name: str, pane: str) -> str:
        known = PANES[pane].columns
        hint = nearest(name, known) if known else "it is a chart, without columns"
        return f"{shown(name)} is no column of {pane}; {hint}"

    def _sort(self, given: object, path: ValuePath, pane: str) -> str:
        text = " ".join(self._text(given, path, "sort").split())
        if not text:
            return ""
        column, _, direction = text.partition(" ")
        if column not in PANES[pane].columns:
            self._tell(path, self._no_column(column, pane))
        if direction and direction not in _DIRECTIONS:
            self._tell(path, f"{shown(direction)} is no direction; write {column} or {column} desc")
        return column if direction == "asc" else text

    def _rows(self, given: object, path: ValuePath) -> int:
        if given is None:
            return 0
        if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= MOST_ROWS:
            self._tell(path, f"rows is {shown(given)}: it must be a whole number from 1 to {MOST_ROWS}")
            return 0
        return given

    def _names(self, given: object, path: ValuePath) -> tuple[str, ...]:
        names = self._list(given, path)
        for place, name in enumerate(names):
            if not name or len(name) > _LONGEST["name"]:
                self._tell((*path, place), f"a name has 1 to {_LONGEST['name']} characters")
        return tuple(dict.fromkeys(names))

    def _tags(self, given: object, path: ValuePath) -> dict[str, str]:
        if given is None:
            return {}
        if not isinstance(given, dict) or len(given) > MOST_NAMES:
            self._tell(path, f"tags must be a block of at most {MOST_NAMES} names, each with its value")
            return {}
        tags: dict[str, str] = {}
        for name, value in given.items():
            if not isinstance(value, str):  # a number has lost how it was written: 010 has become 10
                self._tell((*path, name), f"the value of {shown(str(name))} must be text: put it in quotes")
                continue
            if not self._is_fit(str(name), (*path, name), "name"):
                continue
            tags[str(name)] = self._text(value, (*path, name), "value")
        return tags

    def _list(self, given: object, path: ValuePath) -> list[str]:
        if given is None:
            return []
        if isinstance(given, str):
            given = [given]
        if not isinstance(given, list | tuple) or len(given) > MOST_NAMES:
            self._tell(path, f"{path[-1]} must be a list of at most {MOST_NAMES} names")
            return []
        found = []
        for place, name in enumerate(given):
            if not isinstance(name, str):
                self._tell((*path, place), f"{shown(name)} is no name: put it in quotes")
            elif self._is_fit(name, (*path, place), "name"):
                found.append(name)
        return found

    def _text(self, given: object, path: ValuePath, what: str) -> str:
        if given is None:
            return ""
        if not isinstance(given, str):
            self._tell(path, f"{path[-1]} must be text: put it in quotes")
            return ""
        text = given.strip()
        return text if self._is_fit(text, path, what) else ""

    def _is_fit(self, text: str, path: ValuePath, what: str) -> bool:
        if len(text) > _LONGEST[what]:
            self._tell(path, f"has {len(text):,} characters; at most {_LONGEST[what]} are shown")
            return False
        if not is_shown_as_is(text):
            self._tell(path, "holds characters that no terminal shows; leave them out")
            return False
        return True

    def _mapping(self, given: object, path: ValuePath, keys: Sequence[str], what: str) -> dict[Any, Any] | None:
        if not isinstance(given, dict):
            self._tell(path, f"{what} must be a block of keys: {', '.join(keys)}")
            return None
        for key in given:
            if key not in keys:
                self._tell((*path, key), f"{shown(str(key))} is no key of {what}; {nearest(str(key), keys)}")
        return given


def _spelled(name: str, path: ValuePath) -> str:
    """Spell a place without a file.

    >>> _spelled("desk", ("panes", 0, "columns", 1))
    'desk.panes[0].columns[1]'
    """
    return escaped(str(name)) + "".join(f"[{s}]" if isinstance(s, int) else f".{escaped(s)}" for s in path)
