"""What was read from a settings file, kept so that the same text is not parsed again.

YAML is a tenth of the time to the console's first frame, most of it the import of its parser. What is kept holds the
text that it was read from and counts for no other text. The models judge it each time, as they judge a file, and
deleting it costs a parse.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from core.files import FileAccessError, write_file
from core.settings.source import KeyPath, YamlSource, read_text


class _Cached(msgspec.Struct, frozen=True):
    text: str
    values: dict[str, Any]
    lines: list[tuple[KeyPath, int]]


def read_cached(file: Path, cached_in: Path) -> YamlSource:
    """Read a settings file, from what is kept of it if that was read from the same text.

    Args:
        file: The settings file.
        cached_in: Where what was read is kept; written when it is missing or of another text.
    Raises:
        SettingsError: The file is missing, unreadable, too large, not UTF-8, not YAML, or not a mapping.
    """
    text = read_text(file)
    with suppress(OSError, msgspec.DecodeError):
        cached = msgspec.json.decode(cached_in.read_bytes(), type=_Cached)
        if cached.text == text:
            return YamlSource(file, cached.values, dict(cached.lines))
    from core.settings.yaml_source import parse_yaml

    source = parse_yaml(file, text)
    _store(_Cached(text, source.values, list(source.lines.items())), cached_in)
    return source


def _store(content: _Cached, cached_in: Path) -> None:
    """Write it down if it can be written, and reads back as what it is; dates, say, do not."""
    with suppress(OSError, FileAccessError, TypeError, ValueError, OverflowError):
        encoded = msgspec.json.encode(content)
        if msgspec.json.decode(encoded, type=_Cached) != content:
            return
        cached_in.parent.mkdir(exist_ok=True)
        write_file(cached_in, encoded, durable=False)
