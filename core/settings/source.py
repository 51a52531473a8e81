"""One parsed settings file: its text, its values, and their positions."""

from pathlib import Path
from typing import Any, NamedTuple, TypedDict

from core.plain_files import open_plain
from core.settings.errors import SettingsError

MOST_BYTES = 1 << 20
EXAMPLES = Path(__file__).parents[2] / "sample_configs"

KeyPath = tuple[str, ...]


class Place(TypedDict):
    """Where a key stands in its file, counted from 1."""

    line: int | None
    column: int | None


class YamlSource(NamedTuple):
    """One parsed file: its values, and the lines of its keys."""

    file: Path
    values: dict[str, Any]
    lines: dict[KeyPath, int]
    columns: dict[KeyPath, int] = {}
    """The columns of its keys, from 1."""

    def line_of(self, path: KeyPath) -> int | None:
        """Return the line of a key, or of the nearest key above it."""
        return self.place_of(path)["line"]

    def place_of(self, path: KeyPath) -> Place:
        """Return line and column of a key, or of the nearest key above it, for an error."""
        for length in range(len(path), 0, -1):
            if (line := self.lines.get(path[:length])) is not None:
                return Place(line=line, column=self.columns.get(path[:length]))
        return Place(line=None, column=None)


def read_text(file: Path) -> str:
    """Read the text of a settings file.

    Raises:
        SettingsError: The file is missing, unreadable, too large, or not UTF-8 text.
    """
    try:
        with open_plain(file) as stream:
            raw = stream.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise SettingsError(file, f"no such file{_installed(file)}") from None
    except OSError as error:
        raise SettingsError(file, f"cannot be read: {error.strerror}") from None
    if len(raw) > MOST_BYTES:
        raise SettingsError(file, f"larger than {MOST_BYTES >> 20} MiB, the limit for a settings file")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = f"not UTF-8 text (byte {error.start}): save it as UTF-8"
        raise SettingsError(file, problem, **_end_of(raw[: error.start].decode("utf-8-sig"))) from None
    before, nul, _ = text.partition("\x00")
    if nul:
        raise SettingsError(file, "holds NUL bytes, so it is not a text file", **_end_of(before))
    return text


def _installed(file: Path) -> str:
    """Say where the example of a page lies if BondX was installed without a checkout."""
    example = EXAMPLES / file.name
    return f"; this example is installed as {example}" if file.parent.name == EXAMPLES.name and example.exists() else ""


def _end_of(text: str) -> Place:
    """Return where a text ends, counted from 1."""
    return {"line": text.count("\n") + 1, "column": len(text) - text.rfind("\n")}
