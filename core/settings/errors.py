"""The error of a settings file."""

from pathlib import Path

from core.errors import UsageError


class SettingsError(UsageError):
    """A settings file cannot be used; the message names the file, the line, the field and the cure."""

    def __init__(self, file: Path, problem: str, *, line: int | None = None) -> None:
        where = f"{file}, line {line}" if line else str(file)
        super().__init__(f"{where}: {problem}")
