"""Sound text and sound JSON with a few places damaged: what a reader meets that nobody wrote on purpose."""

import re
from typing import Any

from hypothesis import strategies as st

WORDS = st.sampled_from(
    [
        "", "null", "[]", "{}", "[1]", "{a: 1}", "-1", "1e400", "yes", "'0'", "*base", "&x ", "<<", "{{ . }}", '"a"',
        "~", "x: y", "5m", "1" * 400, "é", "[[[]]]", ": ", "- ", "\n", "  ", "{{ range", "Local", "!!str 5", "0x10",
        "(a+)+", "`", "0x_", '"\\UFFFFFFFF"', "%YAML 1." + "9" * 5_000 + "\n--- ", "\\", "\0", "2001-13-40",
    ]
)  # fmt: skip
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def damaged(draw, text: str) -> str:
    """Replace, take out or double a few words of a text."""
    pieces = re.findall(r"\w+|\s+|[^\w\s]", text)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(pieces) - 1))
        pieces[at] = draw(WORDS | st.just(pieces[at] * 2))
    return "".join(pieces)


@st.composite
def damaged_json(draw, value: Any) -> Any:
    """Replace one value at any depth, or take it out."""
    if not value or not isinstance(value, dict | list) or draw(st.integers(0, 5)) == 0:
        return draw(JSON_VALUES)
    if isinstance(value, list):
        at = draw(st.integers(0, len(value) - 1))
        return [*value[:at], draw(damaged_json(value[at])), *value[at + 1 :]]
    key = draw(st.sampled_from(sorted(value)))
    rest = {name: each for name, each in value.items() if name != key}
    return rest if draw(st.integers(0, 3)) == 0 else {**rest, key: draw(damaged_json(value[key]))}
