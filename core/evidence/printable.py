"""Texts as the fonts of a PDF can draw them, and how wide they are."""

import re
from collections.abc import Iterable, Iterator

from core.escape import escaped, is_shown_as_is

# Latin, phonetic letters, Greek, Cyrillic, and the signs of technical texts: what the fonts that typst carries
# (Libertinus Serif, DejaVu Sans Mono) have in regular and in bold. A missing glyph is a box, which PDF/A forbids.
_DRAWN = (
    *((0x20, 0x7E), (0xA1, 0xAC), (0xAE, 0x377), (0x37A, 0x37F), (0x384, 0x38A), (0x38C, 0x38C), (0x38E, 0x3A1)),
    *((0x3A3, 0x482), (0x48A, 0x4FF), (0x1E00, 0x1F15), (0x1F18, 0x1F1D), (0x1F20, 0x1F45), (0x1F48, 0x1F4D)),
    *((0x1F50, 0x1F57), (0x1F5F, 0x1F7D), (0x1F80, 0x1FB4), (0x1FB6, 0x1FC4), (0x1FC6, 0x1FD3), (0x1FD6, 0x1FDB)),
    *((0x1FDD, 0x1FEF), (0x1FF2, 0x1FF4), (0x1FF6, 0x1FFE), (0x2010, 0x2027), (0x2030, 0x2040), (0x2044, 0x2052)),
    *((0x2054, 0x205E), (0x2070, 0x2071), (0x2074, 0x208E), (0x2090, 0x209C), (0x20A0, 0x20C0), (0x2100, 0x211E)),
    *((0x2120, 0x2120), (0x2122, 0x2122), (0x2124, 0x2124), (0x2126, 0x2151), (0x2153, 0x2184), (0x2190, 0x23CF)),
    *((0x2500, 0x25FF), (0x2713, 0x2717)),
)
_ASCII = ((0x20, 0x7E),)
_WORD = re.compile(r"\S+")
_SEAM = re.compile(r"(?<=[/_.:=,;|-])(?=[^/_.:=,;|-])")

# Width in ems: Libertinus Serif, rounded up; digits are tabular.
_NARROW, _WIDE, _WIDEST = (
    frozenset("iljtfrI.,:;|!'()[]/ -"),
    frozenset("ABCDEFGHJKLNOPQRSTUVXYZ&<>=+−±~"),
    frozenset("mwMW@%—"),
)


def drawable(text: str, *, only_ascii: bool = False) -> str:
    """Return a text with the code points of what the fonts lack.

    Args:
        text: Anything.
        only_ascii: Spell every other character, too.

    >>> drawable("Zürich 東京 ≥ 3"), drawable("a\\x1bb"), drawable("é", only_ascii=True)
    ('Zürich [U+6771][U+4EAC] ≥ 3', 'a[U+FFFD]b', '[U+00E9]')
    """
    if text.isascii() and is_shown_as_is(text):
        return text
    ranges = _ASCII if only_ascii else _DRAWN
    return "".join(
        each if any(first <= ord(each) <= last for first, last in ranges) else f"[U+{ord(each):04X}]"
        for each in escaped(text)
    )


def pieces_of(text: str, most: int) -> list[str]:
    """Split a text where a line may end though there is no space: after a seam, or after so many characters.

    >>> pieces_of("artifacts/spread/1.3.0/report.json is read", 12)
    ['artifacts/', 'spread/1.3.', '0/report.', 'json is read']
    >>> pieces_of("short words", 12)
    ['short words']
    """
    cuts = [cut for word in _WORD.finditer(text) if len(word[0]) > most for cut in _cuts(word[0], word.start(), most)]
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def _cuts(word: str, start: int, most: int) -> Iterator[int]:
    """Yield where a long word is cut, as late as possible."""
    seams = [each.start() for each in _SEAM.finditer(word)]
    at = 0
    while len(word) - at > most:
        at = max((seam for seam in seams if at < seam <= at + most), default=at + most)
        yield start + at


def width_of(text: str) -> float:
    """Return about how wide a text is, in ems.

    >>> round(width_of("rating"), 2)
    2.55
    """
    return sum(
        0.34 if each in _NARROW else 0.72 if each in _WIDE else 0.9 if each in _WIDEST or ord(each) > 0x24F else 0.51
        for each in text
    )


def widest(texts: Iterable[str]) -> float:
    """Return the width of the widest of some texts; 0 without any."""
    return max(map(width_of, texts), default=0.0)
