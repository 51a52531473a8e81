"""The one error of this package."""

from core.errors import UsageError


class PromqlError(UsageError):
    """An expression or a template cannot be read, or cannot be evaluated.

    Attributes:
        message: What is wrong, and what to do.
        offset: Where in the text it is wrong (in characters from 0), or None where the place is not known.
    """

    def __init__(self, message: str, offset: int | None = None) -> None:
        """Name the fault and its place."""
        super().__init__(message if offset is None else f"{message} (at character {offset + 1})")
        self.message = message
        self.offset = offset


class TemplateFieldError(PromqlError):
    """A template reads a field that its value has not, whatever the value is."""
