"""The refusal of the door."""

from core.errors import RefusedError


class AccessRefusedError(RefusedError):
    """No role of the caller allows the verb.

    Attributes:
        verb: The verb, as the audit log calls it.
        object: The object that it is about; "" if none is known yet.
        is_recorded: Whether the audit log has the refusal.
    """

    def __init__(self, message: str, *, verb: str, object: str = "") -> None:  # noqa: A002 - the word of the log
        super().__init__(message)
        self.verb = verb
        self.object = object
        self.is_recorded = False
