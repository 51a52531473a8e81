"""Reading untrusted YAML files, with the line of every key.

Beyond `yaml.SafeLoader` this refuses duplicate keys (YAML would keep the last one in silence), aliases (a
few hundred bytes of them expand to gigabytes), files that are not settings, and values that YAML 1.1 reads in a way
that hardly anybody means (`core.settings.yaml_words`).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from core.escape import first_hidden, is_shown_as_is
from core.settings.errors import SettingsError
from core.settings.source import KeyPath, Place, YamlSource, read_text
from core.settings.yaml_words import surprise_of

MOST_DEPTH = 20  # our deepest key is at 4; the parser recurses, so depth is bounded before it

_TAGS = "tag:yaml.org,2002:"

# The parser in C is ten times as fast; PyYAML has none where it was built without libyaml.
FAST_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(file: Path) -> YamlSource:
    """Read and parse a settings file.

    Raises:
        SettingsError: The file is missing, unreadable, too large, not UTF-8, not YAML, or not a mapping.
    """
    return parse_yaml(file, read_text(file))


def parse_yaml(file: Path, text: str) -> YamlSource:
    """Parse the text of a settings file.

    Raises:
        SettingsError: The text is not YAML, or not a mapping.
    """
    node = composed(file, text)
    if node is None:
        return YamlSource(file, {}, {})
    if not isinstance(node, yaml.MappingNode):
        raise SettingsError(file, "expected `key: value` lines at the top of the file", **_place(node))
    lines: dict[KeyPath, int] = {}
    columns: dict[KeyPath, int] = {}
    source = YamlSource(file, _mapping(file, node, (), lines, columns), lines, columns)
    for path, text in _texts(source.values, ()):
        if not is_shown_as_is(text, keep="\n\t"):
            hidden = first_hidden(text, keep="\n\t")  # and no more of what may be a secret
            problem = f"the text holds {hidden}, which no terminal shows; leave it out"
            raise SettingsError(file, problem, **source.place_of(path))
    return source


def composed(file: Path, text: str) -> yaml.Node | None:
    """Parse a text into its nodes; None if it is empty.

    Raises:
        SettingsError: The text is not YAML, holds anchors, or is nested too deep.
    """
    try:
        return _compose(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        place = {"line": mark.line + 1, "column": mark.column + 1} if mark else {}
        raise SettingsError(file, f"not valid YAML: {problem}", **place) from None
    except _HostileStructureError as error:
        raise SettingsError(file, str(error), **error.place) from None


def events_of(text: str | bytes, loader: Any) -> Iterator[Any]:
    """Parse a text into its events.

    Args:
        text: The text.
        loader: A loader of PyYAML; those in Python fail at escapes beyond Unicode and at endless version numbers.

    Raises:
        YAMLError: The text is not YAML.
    """
    parser = loader(text)
    try:
        while parser.check_event():
            yield parser.get_event()
    except (ValueError, OverflowError) as error:
        problem = "the number of an escape or of the version is too large"
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=parser.get_mark()) from error
    finally:
        parser.dispose()


def place_of(node: yaml.Node | yaml.Event) -> Place:
    """Return where a node or an event begins, counted from 1."""
    return _place(node)


def _texts(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """Yield every key and every text of a file, with its place."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield (*path, str(key)), str(key)
            yield from _texts(item, (*path, str(key)))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item, path)


class _HostileStructureError(Exception):
    """The text is valid YAML, but not in the form of a settings file."""

    def __init__(self, problem: str, place: Place) -> None:
        super().__init__(problem)
        self.place = place


def _compose(text: str) -> yaml.Node | None:
    try:
        _refuse_hostile_structure(text, FAST_LOADER)
        return yaml.compose(text, Loader=FAST_LOADER)
    except yaml.YAMLError:
        # The parser in Python gives plainer messages, with the line.
        _refuse_hostile_structure(text, yaml.SafeLoader)
        return yaml.compose(text, Loader=yaml.SafeLoader)


def _refuse_hostile_structure(text: str, loader: Any) -> None:
    """Walk the token stream once, without recursion, and refuse aliases and deep nesting."""
    depth = 0
    for event in events_of(text, loader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _HostileStructureError("anchors and aliases are not supported: write it out", _place(event))
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MOST_DEPTH:
                raise _HostileStructureError(f"nested more than {MOST_DEPTH} deep", _place(event))
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _line(mark_bearer: Any) -> int:
    return int(mark_bearer.start_mark.line) + 1


def _place(mark_bearer: Any) -> Place:
    return Place(line=_line(mark_bearer), column=int(mark_bearer.start_mark.column) + 1)


def _mapping(
    file: Path, node: yaml.MappingNode, path: KeyPath, lines: dict[KeyPath, int], columns: dict[KeyPath, int]
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = _line(key_node)
        key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
        if not isinstance(key, str):
            raise SettingsError(file, "a key must be plain text", **_place(key_node))
        here = (*path, key)
        if key in values:
            problem = f"{'.'.join(here)} is given twice (first on line {lines[here]})"
            raise SettingsError(file, problem, **_place(key_node))
        lines[here], columns[here] = line, int(key_node.start_mark.column) + 1
        values[key] = _value(file, value_node, here, lines, columns)
    return values


def _value(file: Path, node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int], columns: dict[KeyPath, int]) -> Any:
    if isinstance(node, yaml.MappingNode):
        return _mapping(file, node, path, lines, columns)
    if isinstance(node, yaml.SequenceNode):
        return [_value(file, item, path, lines, columns) for item in node.value]
    if not isinstance(node, yaml.ScalarNode):
        raise SettingsError(file, f"{'.'.join(path)}: unknown structure", **_place(node))
    kind = node.tag.removeprefix(_TAGS)
    if (not node.style or kind != "str") and (surprise := surprise_of(node.value, kind)):
        raise SettingsError(file, f"{'.'.join(path)}: {surprise}", **_place(node))
    try:
        return yaml.SafeLoader("").construct_object(node)
    except (yaml.YAMLError, ValueError) as error:
        problem = getattr(error, "problem", None) or str(error)
        raise SettingsError(file, f"{'.'.join(path)}: {problem}", **_place(node)) from None
