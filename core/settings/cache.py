"""A cache of parsed settings files, so that the same text is not parsed again.

YAML takes a tenth of the time to the console's first frame, mostly to import its parser. A cache entry holds the text
that it was parsed from and is valid for no other text. Its values are validated each time, like those of a file.
Deleting the cache costs a parse.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from core.files import FileAccessError, write_file
from core.json_documents import decode_json
from core.plain_files import read_file
from core.settings.source import KeyPath, YamlSource, read_text

_READER = 3  # raised whenever the same text is read differently


class _Cached(msgspec.Struct, frozen=True):
    reader: int
    text: str
    values: dict[str, Any]
    lines: list[tuple[KeyPath, int]]
    columns: list[tuple[KeyPath, int]]


def read_cached(file: Path, cached_in: Path) -> YamlSource:
    """Read a settings file, from the cache if its text is unchanged.

    Args:
        file: The settings file.
        cached_in: The cache file; written if it is missing or holds another text.
    Raises:
        SettingsError: The file is missing, unreadable, too large, not UTF-8, not YAML, or not a mapping.
    """
    text = read_text(file)
    with suppress(OSError, msgspec.DecodeError):
        cached = decode_json(read_file(cached_in), _Cached)
        if cached.text == text and cached.reader == _READER:
            return YamlSource(file, cached.values, dict(cached.lines), dict(cached.columns))
    from core.settings.yaml_source import parse_yaml

    source = parse_yaml(file, text)
    _store(_Cached(_READER, text, source.values, list(source.lines.items()), list(source.columns.items())), cached_in)
    return source


def _store(content: _Cached, cached_in: Path) -> None:
    """Write the cache if it can be written and reads back unchanged; dates, for example, do not."""
    with suppress(OSError, FileAccessError, TypeError, ValueError, OverflowError):
        encoded = msgspec.json.encode(content)
        if decode_json(encoded, _Cached) != content:
            return
        write_file(cached_in, encoded, durable=False)
