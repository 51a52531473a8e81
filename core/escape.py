"""The one escape for text that leaves for a terminal or a log line.

A name may hold anything: colours, a new title for the window, a text for the clipboard (OSC 52), letters that turn the
reading direction around, line breaks that look like another line. Characters that a terminal would obey or hide are
replaced.
"""

from collections.abc import Iterator

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
FORMULA_STARTS = tuple("=+-@＝＋－＠")
"""What begins a formula in a spreadsheet."""
_INVISIBLE = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Blank letters, which `str.isprintable` takes for visible ones."""


def is_shown_as_is(text: str, *, keep: str = "") -> bool:
    """Return whether a terminal shows every character of a text, and obeys none.

    False for controls (C0, C1, DEL), directions, zero-width and blank letters, line separators, and halves of
    characters, which no file can hold.

    >>> is_shown_as_is("Zürich 東京"), is_shown_as_is("a\\x1b[2J"), is_shown_as_is("a\\nb"), is_shown_as_is("a\\u202eb")
    (True, False, False, False)
    """
    for allowed in keep:
        text = text.replace(allowed, "")
    return text.isprintable() and _INVISIBLE.isdisjoint(text)


def first_hidden(text: str, *, keep: str = "") -> str:
    """Name the first character that no terminal shows as it is, and nothing else of a text that may be a secret.

    >>> first_hidden("abc\\u200bdef")
    'U+200B'
    """
    return next(f"U+{ord(each):04X}" for each in text if not is_shown_as_is(each, keep=keep))


def escaped(text: str, *, keep: str = "", by: str = REPLACEMENT) -> str:
    """Replace every character that a terminal would obey or hide.

    Args:
        text: Anything.
        keep: Characters that stay, such as the line breaks of a text of several lines.
        by: The replacement of each such character.

    >>> escaped("a\\x1b]52;c;eA==\\x07b", by="?")
    'a?]52;c;eA==?b'
    """
    if is_shown_as_is(text, keep=keep):
        return text
    return "".join(each if each in keep or is_shown_as_is(each) else by for each in text)


def spelled_out(text: str) -> str:
    """Spell such characters as Python escapes, where the reader must see which character it is.

    >>> spelled_out("price\\n(EUR)")
    'price\\\\n(EUR)'
    """
    return "".join(each if is_shown_as_is(each) else ascii(each)[1:-1] for each in text)


def csv_text(text: str) -> str:
    """Return how a file for spreadsheets spells a text from other people's programs.

    Characters that a terminal would obey are spelled out. A text that would be read as a formula begins with an
    apostrophe.

    Source:
        OWASP, CSV Injection (https://owasp.org/www-community/attacks/CSV_Injection): what begins a formula.

    >>> csv_text("=1+1"), csv_text("a\\x1bb"), csv_text("spread")
    ("'=1+1", 'a\\\\x1bb', 'spread')
    """
    safe = spelled_out(text)
    return f"'{safe}" if safe.startswith(FORMULA_STARTS) else safe


def shown(value: object, *, most: int = 60) -> str:
    """Return how an error shows a value from outside, whatever that value is; a text is quoted.

    Spelling it may fail (Python spells no integer of 5,000 digits) or take many pages.

    >>> shown(3.5), shown("a\\x1b"), shown("abcdef", most=3), shown(10**5000)
    ('3.5', "'a\\\\x1b'", "'abc…'", 'a value of type int')
    """
    if isinstance(value, str):
        return spelled_out(str.__repr__(_cut(value, most)))
    try:
        return spelled_out(_cut(repr(value), most))
    except Exception:  # it runs the code of the value's own class
        return f"a value of type {type(value).__name__}"


def shown_path(path: object) -> str:
    """Return how an error shows a path: longer than other values, since its end says which file it is.

    >>> shown_path("a/b.pem")
    "'a/b.pem'"
    """
    return shown(str(path), most=240)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


def unshown_text(value: object, *, keep: str = "\n\t") -> str | None:
    """Return the first text in a JSON value, a name included, that a terminal would obey or hide, if any.

    >>> unshown_text({"tags": ["x", {"a\\x1b": 1}]})
    'a\\x1b'
    """
    return next((text for text in texts_in(value) if not is_shown_as_is(text, keep=keep)), None)


def texts_in(value: object) -> Iterator[str]:
    """Yield every text in a JSON value, the names included.

    >>> sorted(texts_in({"tags": ["x", {"a": 1}]}))
    ['a', 'tags', 'x']
    """
    pending = [value]
    while pending:
        match pending.pop():
            case str() as text:
                yield text
            case dict() as mapping:
                pending += [*mapping, *mapping.values()]
            case list() as items:
                pending += items
