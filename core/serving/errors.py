"""What serving refuses, each with the HTTP status it stands for."""

from collections.abc import Sequence

from core.errors import ConflictError, CoreError, NotFoundError, RefusedError, UsageError
from core.files import InDoubtError
from core.state.errors import StateError


class ServingError(CoreError):
    """The root of what a request can be answered with instead of an answer.

    Attributes:
        status: The HTTP status.
        field: The field of the request that is at fault, if one is.
    """

    status: int = 500
    field: str | None = None


class BadRequestError(ServingError, UsageError):
    """The request itself is wrong; asking the same again cannot help."""

    status = 400

    def __init__(self, problem: str, *, field: str | None = None) -> None:
        super().__init__(f"The field {field} {problem}." if field else problem)
        self.field = field


class WrongMethodError(ServingError, UsageError):
    """The path is there, and takes requests of another method."""

    status = 405


class TooLargeError(ServingError, UsageError):
    """The request is over a limit of this server."""

    status = 413


class UnsupportedMediaError(ServingError, UsageError):
    """The body is of a form that is not read here."""

    status = 415


class UnknownVersionError(ServingError, NotFoundError):
    """The model, the version or the label is not known."""

    status = 404

    def __init__(self, kind: str, wanted: str, choices: Sequence[str]) -> None:
        super().__init__(f"There is no {kind} {wanted!a}. To choose from: {', '.join(choices) or 'none yet'}.")


class NoSuchPathError(ServingError, NotFoundError):
    """The path is none of this server's."""

    status = 404


class UnavailableError(ServingError):
    """The server cannot answer just now, though the request is right; asking again later may help."""

    status = 503


class TookTooLongError(ServingError):
    """The request did not come in, or could not be answered, within the time there is."""

    status = 504

    def __init__(self, what: str, seconds: float, *, status: int = 504) -> None:
        super().__init__(f"{what} took longer than the {seconds:g} seconds there are for it.")
        self.status = status


class UnauthenticatedError(ServingError, RefusedError):
    """There is no valid token."""

    status = 401


class ForbiddenError(ServingError, RefusedError):
    """The token is valid, but its role does not suffice."""

    status = 403


class NotRecordedError(ServingError, RefusedError):
    """The settings say that nothing is recorded here."""

    status = 422


class PlanChangedError(ServingError, ConflictError):
    """What would be removed is not what the decision was made on.

    Attributes:
        changes: What was to go, and what would go now.
    """

    status = 409

    def __init__(self, expected: Sequence[str], found: Sequence[str]) -> None:
        self.changes = {"expected": (sorted(expected), sorted(found))}
        super().__init__("What would go is not what you expected. Nothing was removed; look at the plan again.")


class ListenError(ServingError, UsageError):
    """The address cannot be listened on."""


def status_of(error: CoreError) -> int:
    """Return the HTTP status of any error the engine raises on purpose.

    >>> status_of(ConflictError("somebody was faster"))
    409
    """
    if isinstance(error, ServingError):
        return error.status
    if isinstance(error, NotFoundError):
        return 404
    if isinstance(error, ConflictError):
        return 409
    if isinstance(error, UsageError):
        return 400
    if isinstance(error, RefusedError) and not isinstance(error, StateError):
        return 422
    # A full disk, a damaged file, a store that is locked: no fault of the request, which may be right the next time.
    return 500 if isinstance(error, InDoubtError) else 503
