"""The error of a settings file."""

from pathlib import Path

from core.errors import UsageError


class SettingsError(UsageError):
    """A settings file cannot be used; the message names the file, the line and column, the field and the cure."""

    def __init__(self, file: Path, problem: str, *, line: int | None = None, column: int | None = None) -> None:
        place = (f", line {line}" if line else "") + (f", column {column}" if line and column else "")
        super().__init__(f"{file}{place}: {problem}")
        self.file = file
