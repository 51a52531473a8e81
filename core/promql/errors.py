"""The one error of this package, and that of its parser."""

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


def is_panic(error: BaseException) -> bool:
    """Whether an error is a failure of the parser's Rust, which is no `Exception`."""
    return type(error).__name__ == "PanicException"


class TemplateFieldError(PromqlError):
    """A template reads a field that its value has not, whatever the value is."""
