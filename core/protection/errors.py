"""What is wrong with a wish to anonymise a table."""

from core.errors import UsageError


class AnonymisingError(UsageError):
    """A table cannot be anonymised as it was asked; nothing was written."""
