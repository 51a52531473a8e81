"""Regular expressions as Prometheus has them (RE2), matched by Python's `re` where that cannot run for ever."""

import re
import warnings
from collections import Counter
from functools import lru_cache
from math import comb
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from core.promql.errors import PromqlError

MAXIMUM_PATTERN_CHARACTERS = 2_000
MAXIMUM_OPEN_REPEATS = 6
MAXIMUM_STEPS = 2 * 10**7
"""How many ways a match may try at most, about a second: a longer value is refused."""
_MOST_BITS = 24
_PYTHON_ONLY = re.compile(r"\(\?(?:=|!|<=|<!|#|>|\(|P=|[aLux])|(?<!\\)(?:\\\\)*\\[1-9]|(?:[*+?}])\+")
_CLASSES = {
    "alpha": "a-zA-Z", "digit": "0-9", "alnum": "0-9A-Za-z", "upper": "A-Z", "lower": "a-z", "space": r"\t\n\v\f\r ",
    "punct": r"!-/:-@\[-`{-~", "word": "0-9A-Za-z_", "xdigit": "0-9A-Fa-f", "blank": r"\t ", "cntrl": r"\x00-\x1f\x7f",
    "ascii": r"\x00-\x7f", "graph": "!-~", "print": " -~",
}  # fmt: skip


class LabelPattern:
    """A pattern of a matcher or of `label_replace`: it must match the whole value."""

    def __init__(self, text: str, *, is_whole: bool = True) -> None:
        """Read a pattern.

        Args:
            text: The pattern, in RE2's syntax.
            is_whole: Whether it must match the whole value.
        Raises:
            PromqlError: It is none, or is one that Python's `re` reads otherwise or could match for ever.
        """
        if len(text) > MAXIMUM_PATTERN_CHARACTERS:
            raise PromqlError(f"A regular expression has at most {MAXIMUM_PATTERN_CHARACTERS} characters.")
        if found := _PYTHON_ONLY.search(text):
            raise PromqlError(f"The regular expression {text!r} uses {found.group()!r}, which RE2 does not have.")
        if "\\p" in text or "\\P" in text or "\\C" in text or "\\Q" in text:
            raise PromqlError(f"The regular expression {text!r} uses \\p, \\C or \\Q: write the characters out.")
        flags = re.ASCII | (re.DOTALL if is_whole else 0)
        try:
            python = _in_python(text)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ways = _ways(parser.parse(python, flags), is_repeated=False, text=text)
                self.compiled = re.compile(python, flags)
        except (re.error, OverflowError, RecursionError, ValueError) as error:
            raise PromqlError(f"{text!r} is not a regular expression: {error}.") from None
        if max(ways) > MAXIMUM_OPEN_REPEATS:
            raise PromqlError(f"The regular expression {text!r} has more than {MAXIMUM_OPEN_REPEATS} open repeats.")
        if _steps(ways, 0) > MAXIMUM_STEPS:
            raise PromqlError(f"The regular expression {text!r} has too many alternatives behind one another.")
        self._longest = 0  # characters of a value that takes so many steps at most
        for bit in reversed(range(_MOST_BITS)):
            if _steps(ways, self._longest | 1 << bit) <= MAXIMUM_STEPS:
                self._longest |= 1 << bit

    @staticmethod
    @lru_cache(maxsize=1024)
    def of(text: str) -> "LabelPattern":
        """Return the pattern, compiled once."""
        return LabelPattern(text)

    def match(self, value: str) -> "re.Match[str] | None":
        """Match a whole value."""
        self.check_cost(value)
        return self.compiled.fullmatch(value)

    def matches(self, value: str) -> bool:
        """Return whether the pattern matches a whole value."""
        return self.match(value) is not None

    def check_cost(self, value: str) -> None:
        """Refuse a value that could take too long.

        Raises:
            PromqlError: The value is too long for so many open repeats.
        """
        if len(value) > self._longest:
            raise PromqlError(f"A value of {len(value)} characters is too long for {self.compiled.pattern!r}.")


def _in_python(text: str) -> str:
    """Write a pattern of RE2 as Python reads it: `$` is the end, `\\z` is `\\Z`, POSIX classes are spelled out."""
    written, at, is_class = "", 0, False
    while at < len(text):
        here = text[at]
        if here == "\\" and at + 1 < len(text):
            following = text[at + 1]
            written += r"\Z" if following == "z" else (here + following)
            if following == "Z":
                raise ValueError("RE2 has no \\Z")
            at += 2
            continue
        if is_class and here == "[":
            if text.startswith("[:", at) and (end := text.find(":]", at)) > 0:
                name = text[at + 2 : end]
                if name not in _CLASSES:
                    raise ValueError(f"unknown class [:{name}:]")
                written, at = written + _CLASSES[name], end + 2
                continue
            written += r"\["
        elif not is_class and here == "[":
            is_class, written = True, written + here
            if text.startswith("^", at + 1):
                written, at = written + "^", at + 1
            if text.startswith("]", at + 1):
                written, at = written + r"\]", at + 1
        elif is_class and here == "]":
            is_class, written = False, written + here
        elif is_class and here in "&~|":
            written += "\\" + here
        elif here == "$" and not is_class:
            written += r"\Z"
        else:
            written += here
        at += 1
    return written


def _steps(ways: Counter[int], n_characters: int) -> int:
    """Return in how many ways a value of so many characters can be tried at most."""
    return sum(n * comb(n_characters + repeats, repeats) for repeats, n in ways.items())


def _ways(tree: Any, *, is_repeated: bool, text: str) -> Counter[int]:
    """Count the ways through a pattern by their open repeats: one value can go one branch of alternatives at a time.

    A repeat within another is refused, which `re` may try in exponentially many ways.
    """
    ways = Counter({0: 1})
    for op, argument in tree:
        if op in (codes.MAX_REPEAT, codes.MIN_REPEAT):
            least, most, body = argument
            if most != codes.MAXREPEAT and most > 1000:
                raise PromqlError(f"The regular expression {text!r} repeats more than 1,000 times, which RE2 refuses.")
            if is_repeated and most != least:
                raise PromqlError(
                    f"The regular expression {text!r} repeats a repeat, which could take for ever: flatten it."
                )
            inner = _ways(body, is_repeated=is_repeated or most > 1, text=text)
            if most != least:
                inner = inner + Counter({0: 1}) if most == 1 else _one_after_another(inner, Counter({1: 1}))
            ways = _one_after_another(ways, inner)
        elif op is codes.BRANCH:
            if is_repeated:
                raise PromqlError(
                    f"The regular expression {text!r} repeats alternatives, which could take for ever: write them out."
                )
            branches = (_ways(branch, is_repeated=is_repeated, text=text) for branch in argument[1])
            ways = _one_after_another(ways, sum(branches, Counter()))
        elif op is codes.SUBPATTERN:
            ways = _one_after_another(ways, _ways(argument[3], is_repeated=is_repeated, text=text))
    return ways


def _one_after_another(first: Counter[int], second: Counter[int]) -> Counter[int]:
    together: Counter[int] = Counter()
    for repeats, n in first.items():
        for more, m in second.items():
            together[repeats + more] += n * m
    return together
