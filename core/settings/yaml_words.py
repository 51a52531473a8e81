"""Unquoted words that YAML 1.1 reads in another way than their author means.

`010` is the number 8, `1:30` is 90, `2026-03-01` is a date, and `1e5` is text: each is refused. `yes`, `no`, `on` and
`off` are accepted where a switch is expected; elsewhere the error explains how YAML reads them.

Source: YAML 1.1, types int, float, bool and timestamp (yaml.org/type).
"""

import re

_PLAIN = {
    "int": re.compile(r"[-+]?(0|[1-9][0-9]*)"),
    "float": re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?"),
}
_LOOKS_LIKE_A_NUMBER = re.compile(
    r"(?P<octal>0o[0-7]{1,30})|[-+]?(0[0-9]{1,30}|([0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]{1,3})"
)
_MOST_CHARACTERS = 400  # of a number; the largest has 309 digits
_KNOWN = ("str", "int", "float", "bool", "null")
_BASES = {"0b": 2, "0x": 16}
SWITCH_HINT = " (without quotes YAML reads yes and on as true, no and off as false)"


_TYPE_WORDS = {
    "array": "a list such as [a, b]",
    "bool": "true or false",
    "datetime": "a date with a time",
    "float": "a number",
    "int": "a whole number",
    "null": "nothing",
    "object": "lines `key: value` below it, indented",
    "str": "text",
}
_EXPECTED = re.compile(r"^Expected `(?P<types>[^`]+)`(?P<limit>[^`]*?)(?:, got `[^`]+`)?$")
_MISSING = re.compile(r"^Object missing required field `(?P<name>[^`]+)`$")


def in_plain_words(problem: str) -> str:
    """Say what a value must be as a YAML file has it; what it is instead stands before it.

    Args:
        problem: The message of a validation, without its place.

    >>> in_plain_words("Expected `object`, got `str`")
    'expected lines `key: value` below it, indented'
    >>> in_plain_words("Expected `int | null`, got `str`"), in_plain_words("Expected `float` <= 1.0")
    ('expected a whole number or nothing', 'expected a number <= 1.0')
    >>> in_plain_words("Object missing required field `receiver`")
    'the key receiver is missing'
    """
    if (missing := _MISSING.match(problem)) is not None:
        return f"the key {missing['name']} is missing"
    if (found := _EXPECTED.match(problem)) is None:
        problem = problem.replace("`", "")
        return problem[:1].lower() + problem[1:]
    types = [_TYPE_WORDS.get(name.strip(), name.strip()) for name in found["types"].split("|")]
    return f"expected {' or '.join(types)}{found['limit']}"


def surprise_of(text: str, kind: str) -> str | None:
    """Say how a scalar surprises, and what to write instead; None for a scalar that is what it looks like.

    Args:
        text: The scalar as written.
        kind: The type that YAML gives it.

    >>> surprise_of("010", "int")
    'YAML reads 010 as the number 8: write 8, or "010" if it is text'
    >>> surprise_of("1:30", "int")
    'YAML reads 1:30 as the number 90: write 90, or "1:30" if it is text'
    >>> surprise_of("1e5", "str")
    'YAML reads 1e5 as text: write 100000, or "1e5" if it is text'
    >>> surprise_of("8", "int"), surprise_of("1.5e-3", "float"), surprise_of("spread", "str")
    (None, None, None)
    """
    if kind == "timestamp":
        return f'YAML reads {text} as a date: write "{text}", in quotes'
    if kind == "str":
        if (number := _LOOKS_LIKE_A_NUMBER.fullmatch(text)) is None:
            return None
        meant = int(text[2:], 8) if number["octal"] else float(text)
        return f'YAML reads {text} as text: write {_spelled(meant)}, or "{text}" if it is text'
    if kind not in _KNOWN:
        return f'{text[:40]!r} has the type {kind}, which settings do not have: write it as text, "in quotes"'
    if kind not in _PLAIN or (_PLAIN[kind].fullmatch(text) and len(text) <= _MOST_CHARACTERS):
        return None
    if len(text) > _MOST_CHARACTERS:
        return f"{text[:20]}… has {len(text)} characters, too many for a number"
    if text.lower().lstrip("+-") in (".inf", ".nan"):
        return None  # what it looks like; no setting takes it
    if text.lstrip("+-").rstrip("_") in _BASES:
        return f'{text} is a number without digits: write a number, or "{text}" if it is text'
    number_read = _spelled(_meant(text))
    return f'YAML reads {text} as the number {number_read}: write {number_read}, or "{text}" if it is text'


def _spelled(number: float) -> str:
    return str(int(number)) if isinstance(number, int) or (number.is_integer() and abs(number) < 1e15) else str(number)


def _meant(text: str) -> int | float:
    """Read a number as YAML 1.1 does: underscores between digits, base 60 with colons, octal after a 0."""
    sign, digits = (-1 if text.startswith("-") else 1), text.lstrip("+-").replace("_", "")
    if ":" in digits:
        total: int | float = 0
        for part in digits.split(":"):
            total = 60 * total + (float(part) if "." in part else int(part))
        return sign * total
    if base := _BASES.get(digits[:2]):
        return sign * int(digits[2:], base)
    if "." in digits:
        return sign * float(digits)
    return sign * (int(digits, 8) if digits.startswith("0") and digits.strip("0") else int(digits or "0"))
