"""Untrusted YAML files in other systems' formats, with the place of every key and every item of a list.

Scalars are read by YAML 1.2, as those systems do: `17:00` is text, and so is `on`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from core.escape import first_hidden, is_shown_as_is, spelled_out
from core.settings.errors import SettingsError
from core.settings.source import Place, read_text
from core.settings.yaml_source import composed, place_of

YamlPath = tuple[str | int, ...]
_INTEGER: Final = re.compile(r"[-+]?[0-9]+")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class PlacedYaml:
    """One parsed file."""

    file: Path
    values: Any
    places: Mapping[YamlPath, Place]
    sources: Mapping[YamlPath, str]
    """The text of each scalar that is no text, as it stands in the file."""

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


def read_placed(file: Path) -> PlacedYaml:
    """Read a file.

    Raises:
        SettingsError: It is missing, unreadable, too large, not UTF-8, not YAML, holds anchors or a key twice, is
            nested too deep, or holds characters that no terminal shows.
    """
    node = composed(file, read_text(file))
    places, sources = dict[YamlPath, Place](), dict[YamlPath, str]()
    values = None if node is None else _value(file, node, (), places, sources)
    return PlacedYaml(file, values, places, sources)


def _value(
    file: Path, node: yaml.Node, path: YamlPath, places: dict[YamlPath, Place], sources: dict[YamlPath, str]
) -> Any:
    places.setdefault(path, place_of(node))
    if isinstance(node, yaml.SequenceNode):
        return [_value(file, item, (*path, index), places, sources) for index, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        return dict(_items(file, node, path, places, sources))
    text = str(node.value)
    is_plain = isinstance(node, yaml.ScalarNode) and not node.style
    if not is_shown_as_is(text, keep="\n\t"):
        hidden = first_hidden(text, keep="\n\t")  # and no more of what may be a secret
        problem = f"the value holds {hidden}, which no terminal shows; leave it out"
        raise SettingsError(file, problem, **place_of(node))
    value = _scalar(text) if is_plain else text
    if not isinstance(value, str):
        sources[path] = text
    return value


def _items(
    file: Path, node: yaml.MappingNode, path: YamlPath, places: dict[YamlPath, Place], sources: dict[YamlPath, str]
) -> Iterator[tuple[str, Any]]:
    seen: set[str] = set()
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise SettingsError(file, "a key must be plain text", **place_of(key_node))
        key = str(key_node.value)
        if not is_shown_as_is(key):
            problem = f"the key {spelled_out(key)} holds characters that no terminal shows; leave them out"
            raise SettingsError(file, problem, **place_of(key_node))
        if key in seen:
            raise SettingsError(file, f"{key} is given twice; keep one", **place_of(key_node))
        seen.add(key)
        places[(*path, key)] = place_of(key_node)
        yield key, _value(file, value_node, (*path, key), places, sources)


def _scalar(text: str) -> Any:
    """Read a plain scalar.

    >>> [_scalar(text) for text in ("17:00", "on", "true", "~", "0.5", "12", "")]
    ['17:00', 'on', True, None, 0.5, 12, None]
    """
    if text in ("", "~", "null"):
        return None
    if text in ("true", "false"):
        return text == "true"
    if _INTEGER.fullmatch(text) and len(text) <= 18:
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
