"""YAML as a tree in which an alias stays an alias, so that what it stands for is not copied before it is counted.

PyYAML's own composer puts the value of an anchor at the place of its alias, and no longer knows that it did.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from core.settings.errors import SettingsError
from core.settings.source import Place
from core.settings.yaml_source import FAST_LOADER, MOST_DEPTH, events_of, place_of

_TAGS: Final = "tag:yaml.org,2002:"
_RESOLVED: Final = frozenset({None, *(f"{_TAGS}{kind}" for kind in ("int", "float", "bool", "null"))})


@dataclass(slots=True)
class ScalarNode:
    """A text; a plain one may be a number."""

    place: Place
    text: str
    is_plain: bool


@dataclass(slots=True)
class ListNode:
    """A list."""

    place: Place
    items: list["YamlNode"] = field(default_factory=list)


@dataclass(slots=True)
class BlockNode:
    """Keys with their values."""

    place: Place
    pairs: list[tuple["YamlNode", "YamlNode"]] = field(default_factory=list)


@dataclass(slots=True)
class AliasNode:
    """`*name`: what stands at `&name`."""

    place: Place
    target: "ScalarNode | ListNode | BlockNode"


YamlNode: TypeAlias = ScalarNode | ListNode | BlockNode | AliasNode


def read_nodes(file: Path, text: str, *, takes_aliases: bool) -> YamlNode | None:
    """Parse a text; None if it is empty.

    Args:
        file: For errors.
        text: The text.
        takes_aliases: Whether anchors and aliases are read, else refused.

    Raises:
        SettingsError: The text is not YAML, holds several documents, or is nested too deep; or an alias names no anchor
            before it, or stands within its own.
    """
    try:
        try:
            return _Composing(file, text, FAST_LOADER, takes_aliases).root()
        except yaml.YAMLError:  # the parser in Python gives plainer messages, with the line
            return _Composing(file, text, yaml.SafeLoader, takes_aliases).root()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        place = {"line": mark.line + 1, "column": mark.column + 1} if mark else {}
        raise SettingsError(file, f"not valid YAML: {problem}", **place) from None


class _Composing:
    """One text while it is composed from the parser's events."""

    def __init__(self, file: Path, text: str, loader: Any, takes_aliases: bool) -> None:
        self._file = file
        self._takes_aliases = takes_aliases
        self._events: Iterator[Any] = events_of(text, loader)
        self._anchors: dict[str, ScalarNode | ListNode | BlockNode] = {}
        self._open: set[str] = set()

    def root(self) -> YamlNode | None:
        root: YamlNode | None = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    raise self._error(event, "a second document begins here: keep one, or write two files")
                root = self._node(next(self._events), 0)
        return root

    def _node(self, event: Any, depth: int) -> YamlNode:
        anchor = getattr(event, "anchor", None)
        if anchor and not self._takes_aliases:
            raise self._error(event, "anchors and aliases are not supported: write it out")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if isinstance(event, yaml.ScalarEvent):
            node: ScalarNode | ListNode | BlockNode = self._scalar(event)
            if anchor:
                self._anchors[anchor] = node
            return node
        if depth >= MOST_DEPTH:
            raise self._error(event, f"nested more than {MOST_DEPTH} deep")
        place = place_of(event)
        node = ListNode(place) if isinstance(event, yaml.SequenceStartEvent) else BlockNode(place)
        if anchor:
            self._open.add(anchor)
        for item in self._events:
            if isinstance(item, yaml.CollectionEndEvent):
                break
            first = self._node(item, depth + 1)
            if isinstance(node, ListNode):
                node.items.append(first)
            else:
                node.pairs.append((first, self._node(next(self._events), depth + 1)))
        if anchor:
            self._open.discard(anchor)
            self._anchors[anchor] = node
        return node

    def _alias(self, event: Any) -> AliasNode:
        if event.anchor in self._open:  # no error repeats the name: an unquoted password may begin with * or &
            raise self._error(event, "this alias stands within its own anchor")
        if event.anchor not in self._anchors:
            raise self._error(event, "this alias names no anchor above it; quote a text that begins with *")
        return AliasNode(place_of(event), self._anchors[event.anchor])

    def _scalar(self, event: Any) -> ScalarNode:
        if event.tag == f"{_TAGS}binary":
            raise self._error(event, "the tag !!binary is not supported: write the text")
        return ScalarNode(place_of(event), str(event.value), not event.style and event.tag in _RESOLVED)

    def _error(self, event: Any, problem: str) -> SettingsError:
        return SettingsError(self._file, problem, **place_of(event))
