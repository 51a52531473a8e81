"""YAML of other systems: aliases and merge keys beside PyYAML's own, and any text at all."""

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from core.settings.errors import SettingsError
from core.settings.placed_yaml import Merging, read_placed
from core.settings.yaml_source import read_yaml

WORDS = st.sampled_from("abcd")


@st.composite
def documents(draw) -> str:
    """Draw definitions that use the anchors of those before them."""
    n_anchors, lines = draw(st.integers(1, 6)), []

    def value(level: int, known: int) -> str:
        kinds = ["text", "list", "block"] if level < 3 else ["text"]
        kind = draw(st.sampled_from([*kinds, "alias"] if known else kinds))
        if kind == "text":
            return json.dumps(draw(WORDS))
        if kind == "alias":
            return f"*n{draw(st.integers(0, known - 1))}"
        if kind == "list":
            return "[" + ", ".join(value(level + 1, known) for _ in range(draw(st.integers(0, 3)))) + "]"
        pairs = [f"{key}: {value(level + 1, known)}" for key in draw(st.lists(WORDS, unique=True, max_size=3))]
        if blocks and draw(st.booleans()):
            names = draw(st.lists(st.sampled_from(blocks), min_size=1, max_size=3))
            merged = f"*{names[0]}" if len(names) == 1 else "[" + ", ".join(f"*{name}" for name in names) + "]"
            pairs.insert(draw(st.integers(0, len(pairs))), f"<<: {merged}")
        return "{" + ", ".join(pairs) + "}"

    blocks: list[str] = []
    for number in range(n_anchors):
        written = value(0, number)
        while written.startswith("*"):  # no anchor stands before an alias
            written = value(0, number)
        lines.append(f"k{number}: &n{number} {written}")
        if written.startswith("{"):
            blocks.append(f"n{number}")
    return "\n".join(lines)


@settings(max_examples=200)
@given(documents())
def test_aliases_and_merge_keys_have_the_values_that_yaml_gives_them(tmp_path_factory, text):
    file = tmp_path_factory.getbasetemp() / "aliases.yaml"
    file.write_text(text)
    read = read_placed(file, merging=Merging())
    assert read.values == yaml.safe_load(text)
    lines = text.splitlines()
    for path, place in read.places.items():
        if path and isinstance(path[-1], str):  # a key stands where its place says, be it in an anchor
            assert lines[place["line"] - 1][place["column"] - 1 :].startswith(path[-1])


PIECES = [
    "a",
    "b",
    ": ",
    ":",
    "- ",
    "\n",
    "  ",
    "[",
    "]",
    "{",
    "}",
    ", ",
    "&a ",
    "*a",
    "<<: ",
    "|",
    ">",
    "'",
    '"',
    "? ",
    "# ",
    "!!str ",
    "!x ",
]
PIECES += ["---\n", "%YAML 1.2\n", "\t", "~", "1.10", "\ufeff", "\u2028", "\x85", "..."]


@pytest.mark.fuzz
@given(st.lists(st.sampled_from(PIECES), max_size=25), st.sampled_from([None, Merging(), Merging(in_order=True)]))
def test_any_text_has_values_or_an_error(tmp_path_factory, pieces, merging):
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_text("".join(pieces))
    try:
        read = read_placed(file, merging=merging)
    except SettingsError:
        return
    assert all(place["line"] >= 1 and place["column"] >= 1 for place in read.places.values())


@pytest.mark.parametrize(
    "text", ['a:\n  b: "\\UFFFFFFFF"', 'a:\n  b: "\\U00110000"', "%YAML 1." + "9" * 5_000 + "\n--- {a: b}"]
)
@pytest.mark.parametrize("read", [read_placed, read_yaml])
@pytest.mark.parametrize("module", [None, "core.settings.yaml_source", "core.settings.yaml_nodes"])
def test_a_number_that_the_parser_in_python_cannot_make_is_no_yaml(tmp_path, monkeypatch, text, read, module):
    if module:
        monkeypatch.setattr(f"{module}.FAST_LOADER", yaml.SafeLoader)  # where PyYAML has no parser in C
    file = tmp_path / "a.yaml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=r"a\.yaml, line [12], column \d+: not valid YAML"):
        read(file)


def test_a_list_that_is_joined_has_the_items_of_both(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("x: &x {m: [1], n: {a: 1}, o: [1]}\ny: {<<: *x, m: [2], n: {b: b, c: 3}, o: [2]}\n")
    merging = Merging(in_order=True, joined=frozenset({"m", "n"}))
    read = read_placed(file, merging=merging)
    assert read.values["y"] == {"m": [1, 2], "n": {"a": 1, "b": "b", "c": 3}, "o": [2]}
    assert read.text(("y", "n", "a"), 1) == "1"
    with pytest.raises(SettingsError, match=r"line 2, column 21.*n is given here"):
        read_placed(file, merging=Merging(in_order=True))


def test_a_key_in_both_of_two_joined_blocks_is_refused_as_alertmanager_does(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("x: &x {n: {a: 1}}\ny: {<<: *x, n: {b: 2, a: 1}}\n")
    with pytest.raises(SettingsError, match=r"line 2, column 23.*a is given here and in a block"):
        read_placed(file, merging=Merging(in_order=True, joined=frozenset({"n"})))
