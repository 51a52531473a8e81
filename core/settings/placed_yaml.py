"""Untrusted YAML files in other systems' formats, with the place of every key and every item of a list.

Scalars are read by YAML 1.2, as those systems do: `17:00` is text, and so is `on`.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from core.escape import first_hidden, is_shown_as_is, spelled_out
from core.settings.errors import SettingsError
from core.settings.source import Place, read_text
from core.settings.yaml_nodes import AliasNode, BlockNode, ListNode, ScalarNode, YamlNode, read_nodes
from core.settings.yaml_source import MOST_DEPTH

YamlPath = tuple[str | int, ...]
_INTEGER: Final = re.compile(r"[-+]?[0-9]+")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


MERGE: Final = "<<"
MOST_REPEATED: Final = 100_000
"""How many values aliases may repeat: a few hundred bytes of them could expand to gigabytes."""


@dataclass(frozen=True, slots=True)
class Merging:
    """How the keys that `<<` takes over meet those that stand beside it."""

    in_order: bool = False
    """The later in the file wins, as in yaml.v2 of Go; else the key that stands beside `<<`, as in yaml.v3."""
    joined: frozenset[str] = frozenset()
    """In order: the keys whose lists or blocks are joined."""


@dataclass(frozen=True, slots=True)
class PlacedYaml:
    """One parsed file."""

    file: Path
    values: Any
    places: Mapping[YamlPath, Place]
    sources: Mapping[YamlPath, str]
    """The text of each scalar that is no text, as it stands in the file."""
    aliased: frozenset[YamlPath] = frozenset()
    """Where an alias stands."""

    def place(self, path: YamlPath) -> str:
        """Say where a key or an item stands, or the nearest above it: "file:line:column"."""
        found = self._found(path)
        return f"{self.file}:{found['line']}:{found['column']}"

    def text(self, path: YamlPath, value: object) -> str:
        """Return a scalar as those systems read it where they want text: as it is written, and nothing for null.

        Args:
            path: Its keys and indices from the top.
            value: The scalar.
        """
        return "" if value is None else str(self.sources.get(path, value))

    def error(self, path: YamlPath, problem: str) -> SettingsError:
        """Return the error of one value.

        Args:
            path: Its keys and indices from the top.
            problem: What is wrong, and what to do.
        """
        return SettingsError(self.file, problem, **self._found(path))

    def _found(self, path: YamlPath) -> Place:
        for length in range(len(path), -1, -1):
            if (found := self.places.get(path[:length])) is not None:
                return found
        return Place(line=1, column=1)


def read_placed(file: Path, *, merging: Merging | None = None) -> PlacedYaml:
    """Read a file.

    Args:
        file: The file.
        merging: How keys that `<<` takes over meet those that stand beside it; None refuses anchors and aliases.

    Raises:
        SettingsError: It is missing, unreadable, too large, not UTF-8, not YAML, holds anchors that are not taken or
            that expand without measure, or a key twice, is nested too deep, or holds characters that no terminal shows.
    """
    root = read_nodes(file, read_text(file), takes_aliases=merging is not None)
    reading = _Reading(file, merging or Merging())
    values = None if root is None else reading.value(root, ())
    return PlacedYaml(file, values, reading.places, reading.sources, frozenset(reading.aliased))


class _Reading:
    """One tree while its values are made."""

    def __init__(self, file: Path, merging: Merging) -> None:
        self.places = dict[YamlPath, Place]()
        self.sources = dict[YamlPath, str]()
        self.aliased = set[YamlPath]()
        self._file = file
        self._merging = merging
        self._n_repeated = 0

    def value(self, node: YamlNode, path: YamlPath, *, is_repeated: bool = False) -> Any:
        """Return the value of a node, and note the places of what it holds.

        Args:
            node: The node.
            path: Its keys and indices from the top.
            is_repeated: Whether it is reached by an alias or by `<<`, so that it counts against the bound.
        """
        self.places.setdefault(path, node.place)
        if isinstance(node, AliasNode):
            self.aliased.add(path)
            node, is_repeated = node.target, True
        if is_repeated:
            self._count(node.place)
            if len(path) > MOST_DEPTH:
                raise SettingsError(self._file, f"nested more than {MOST_DEPTH} deep by its aliases", **node.place)
        if isinstance(node, ListNode):
            items = enumerate(node.items)
            return [self.value(item, (*path, index), is_repeated=is_repeated) for index, item in items]
        if isinstance(node, BlockNode):
            return self._block([node], path, is_repeated=is_repeated)
        text = self._shown(node)
        value = plain_scalar(text) if node.is_plain else text
        if not isinstance(value, str):
            self.sources[path] = text
        return value

    def _block(self, nodes: Sequence[BlockNode], path: YamlPath, *, is_repeated: bool) -> dict[str, Any]:
        """Return the values of a block, or of several that are one."""
        fields: dict[str, _Field] = {}
        for node in nodes:
            of_node: dict[str, _Field] = {}
            self._lay(node, of_node, is_repeated=is_repeated)
            for name in fields.keys() & of_node.keys():
                problem = f"{name} is given here and in a block that << takes over; keep one"
                raise SettingsError(self._file, problem, **of_node[name].place)
            fields |= of_node
        values: dict[str, Any] = {}
        for name, found in fields.items():
            here = (*path, name)
            self.places[here] = found.place
            if len(found.nodes) == 1:
                values[name] = self.value(found.nodes[0], here, is_repeated=found.is_repeated)
            else:
                values[name] = self._joined(name, found, here)
        return values

    def _lay(self, node: BlockNode, fields: dict[str, "_Field"], *, is_repeated: bool, depth: int = 0) -> None:
        """Lay the keys of a block, and those that it takes over, into fields."""
        own: set[str] = set()
        taken: list[YamlNode] = []
        for key_node, value_node in node.pairs:
            key = self._key(key_node)
            if key.text in own:
                raise SettingsError(self._file, f"{key.text} is given twice; keep one", **key_node.place)
            own.add(key.text)
            if is_repeated:
                self._count(key_node.place)
            if key.text != MERGE or not key.is_plain:
                self._set(fields, key.text, _Field(key_node.place, [value_node], is_repeated))
            elif self._merging.in_order:
                self._take_over(value_node, fields, frozenset(), depth)
            else:
                taken.append(value_node)
        for node_taken in taken:
            self._take_over(node_taken, fields, own, depth)

    def _take_over(self, node: YamlNode, fields: dict[str, "_Field"], own: Collection[str], depth: int) -> None:
        """Lay the keys of the blocks behind `<<`, but none of its own, into fields."""
        if depth > MOST_DEPTH:
            raise SettingsError(self._file, f"takes over blocks more than {MOST_DEPTH} deep", **node.place)
        target = _target(node)
        for each in reversed(target.items if isinstance(target, ListNode) else [node]):  # the first of a list wins
            block = _target(each)
            if not isinstance(block, BlockNode):
                problem = "<< takes over a block of keys, or a list of blocks, such as *name"
                raise SettingsError(self._file, problem, **each.place)
            self._count(each.place)
            found: dict[str, _Field] = {}
            self._lay(block, found, is_repeated=True, depth=depth + 1)
            for key, entry in found.items():
                if self._merging.in_order:
                    self._set(fields, key, entry)
                elif key not in own:
                    fields[key] = entry

    def _set(self, fields: dict[str, "_Field"], key: str, entry: "_Field") -> None:
        """Let a key take the place of an earlier one of its name, or join both."""
        if (earlier := fields.get(key)) is None:
            fields[key] = entry
        elif key in self._merging.joined:
            fields[key] = _Field(entry.place, [*earlier.nodes, *entry.nodes], is_repeated=True)
        elif isinstance(_target(entry.nodes[-1]), BlockNode):
            problem = f"{key} is given here and taken over by <<, and of such blocks some are joined; keep one of them"
            raise SettingsError(self._file, problem, **entry.place)
        else:
            fields[key] = entry

    def _joined(self, name: str, found: "_Field", path: YamlPath) -> Any:
        """Return the lists of one key as one list, or its blocks as one block."""
        targets = [_target(node) for node in found.nodes]
        lists = [target for target in targets if isinstance(target, ListNode)]
        blocks = [target for target in targets if isinstance(target, BlockNode)]
        if len(lists) == len(targets):
            return self.value(ListNode(found.place, [item for each in lists for item in each.items]), path)
        if len(blocks) == len(targets):
            return self._block(blocks, path, is_repeated=True)
        raise SettingsError(self._file, f"{name} is given and taken over by <<: write both as lists", **found.place)

    def _count(self, place: Place) -> None:
        self._n_repeated += 1
        if self._n_repeated > MOST_REPEATED:
            problem = f"the aliases of this file repeat more than {MOST_REPEATED:,} values: write fewer"
            raise SettingsError(self._file, problem, **place)

    def _key(self, node: YamlNode) -> ScalarNode:
        key = _target(node)
        if not isinstance(key, ScalarNode):
            raise SettingsError(self._file, "a key must be plain text", **node.place)
        if not is_shown_as_is(key.text):
            problem = f"the key {spelled_out(key.text)} holds characters that no terminal shows; leave them out"
            raise SettingsError(self._file, problem, **node.place)
        return key

    def _shown(self, node: ScalarNode) -> str:
        if not is_shown_as_is(node.text, keep="\n\t"):
            hidden = first_hidden(node.text, keep="\n\t")  # and no more of what may be a secret
            problem = f"the value holds {hidden}, which no terminal shows; leave it out"
            raise SettingsError(self._file, problem, **node.place)
        return node.text


@dataclass(slots=True)
class _Field:
    """What stands behind one key: a node, or several that are joined."""

    place: Place
    nodes: list[YamlNode]
    is_repeated: bool


def _target(node: YamlNode) -> ScalarNode | ListNode | BlockNode:
    return node.target if isinstance(node, AliasNode) else node


def plain_scalar(text: str) -> Any:
    """Read a scalar without quotes.

    >>> [plain_scalar(text) for text in ("17:00", "on", "true", "~", "0.5", "12", "")]
    ['17:00', 'on', True, None, 0.5, 12, None]
    """
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return text.lower() == "true"
    if _INTEGER.fullmatch(text) and len(text) <= 18:
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
