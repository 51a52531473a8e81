"""The errors of serving, each with its HTTP status."""

import math
from collections.abc import Sequence

from core.access import AccessRefusedError
from core.access.errors import OidcKeysAwaitedError
from core.actor import Actor
from core.errors import ConflictError, CoreError, NotFoundError, PartlyFailedError, RefusedError, UsageError
from core.escape import shown
from core.files import InDoubtError
from core.state.errors import StateError


class ServingError(CoreError):
    """The root of the errors that a request can be answered with.

    Attributes:
        status: The HTTP status.
        field: The field of the request that is at fault, if one is.
    """

    status: int = 500
    field: str | None = None


class BadRequestError(ServingError, UsageError):
    """The request itself is wrong; repeating it cannot help."""

    status = 400

    def __init__(self, problem: str, *, field: str | None = None) -> None:
        super().__init__(f"The field {field} {problem}." if field else problem)
        self.field = field


class CallerFaultError(BadRequestError):
    """The request would be wrong for any version: never a failure of the version that it reached."""


class NotJsonError(CallerFaultError):
    """The body is not JSON."""


class WrongMethodError(ServingError, UsageError):
    """The path exists, but accepts other methods only."""

    status = 405


class TooLargeError(ServingError, UsageError):
    """The request exceeds a limit of this server."""

    status = 413


class TooLongUrlError(ServingError, UsageError):
    """The request target is longer than any path of this server."""

    status = 414

    def __init__(self, most: int) -> None:
        super().__init__(f"The URL is over the limit of {most:,} bytes.")


class UnknownCodingError(ServingError, UsageError):
    """The body has a transfer coding that cannot be decoded; RFC 9112, section 6.1, asks for 501."""

    status = 501

    def __init__(self, coding: bytes) -> None:
        found = shown(coding.decode("latin-1"))
        super().__init__(f"The transfer coding {found} is not supported: send the body plain or chunked.")


class UnsupportedMediaError(ServingError, UsageError):
    """The body has an unsupported encoding."""

    status = 415


class UnknownVersionError(ServingError, NotFoundError):
    """The model, version or label is unknown."""

    status = 404

    def __init__(self, kind: str, wanted: str, choices: Sequence[str]) -> None:
        super().__init__(f"There is no {kind} {shown(wanted)}. Choose from: {', '.join(choices) or 'none yet'}.")


class NoSuchPathError(ServingError, NotFoundError):
    """This server does not have the path."""

    status = 404


class UnavailableError(ServingError):
    """The request is valid, but the server cannot answer it now; a retry may succeed."""

    status = 503


class TookTooLongError(ServingError):
    """The request did not arrive, or was not answered, within its time limit."""

    status = 504

    def __init__(self, what: str, seconds: float, *, status: int = 504) -> None:
        super().__init__(f"{what} took longer than the limit of {seconds:g} seconds.")
        self.status = status


class EndedCallError(ServingError):
    """The call had ended before it was looked at: its deadline has passed, or its caller has given up."""

    status = 504

    def __init__(self) -> None:
        super().__init__("The call ended before it was looked at: give it a later deadline.")


class UnauthenticatedError(ServingError, RefusedError):
    """The request has no valid token."""

    status = 401


class KeysAwaitedError(UnavailableError):
    """The token is of the OIDC provider, and its key may be among those that are being fetched.

    Attributes:
        fetched: Done once they are there, or cannot be had.
    """

    def __init__(self, awaited: OidcKeysAwaitedError) -> None:
        super().__init__(str(awaited))
        self.fetched = awaited.fetched


class ForbiddenError(ServingError, AccessRefusedError):
    """The token is valid, but no role of it reaches the route.

    Attributes:
        actor: Who asked.
    """

    status = 403

    def __init__(self, message: str, *, verb: str, actor: Actor) -> None:
        super().__init__(message, verb=verb)
        self.actor = actor


class TooManyRequestsError(ServingError, RefusedError):
    """The caller has made more requests than `serving.requests_per_minute` allows.

    Attributes:
        wait_seconds: In how many seconds it may make its next.
    """

    status = 429

    def __init__(self, wait_seconds: float) -> None:
        self.wait_seconds = max(1, math.ceil(wait_seconds))
        super().__init__(
            f"You have made more requests than serving.requests_per_minute allows; wait {self.wait_seconds} s."
        )


class NotRecordedError(ServingError, RefusedError):
    """The settings turn recording off."""

    status = 422


class PlanChangedError(ServingError, ConflictError):
    """The removal would differ from the plan that the decision was made on.

    Attributes:
        changes: The expected removals and the current ones.
    """

    status = 409

    def __init__(self, expected: Sequence[str], found: Sequence[str]) -> None:
        self.changes = {"expected": (sorted(expected), sorted(found))}
        super().__init__(
            "The removal plan has changed since you reviewed it. Nothing was removed; review the plan again."
        )


class ListenError(ServingError, UsageError):
    """The server cannot listen on the address."""


class NoTokenError(ListenError):
    """Other machines can reach the address, and nobody has a token."""


def cure_of_taken(named: str) -> str:
    """Return what to do about an address that cannot be listened on.

    Args:
        named: The flag or the setting that it is from; "" if nobody knows.
    """
    return f" The address is from {named}: choose another one there, or end what uses this one." if named else ""


def status_of(error: CoreError) -> int:
    """Return the HTTP status of any error the engine raises on purpose.

    >>> status_of(ConflictError("changed by someone else first"))
    409
    """
    if isinstance(error, ServingError):
        return error.status
    if isinstance(error, PartlyFailedError):
        return status_of(error.first)
    if isinstance(error, NotFoundError):
        return 404
    if isinstance(error, ConflictError):
        return 409
    if isinstance(error, UsageError):
        return 400
    if isinstance(error, AccessRefusedError):
        return 403
    if isinstance(error, RefusedError) and not isinstance(error, StateError):
        return 422
    # A full disk, a damaged file or a locked store: the request is not at fault, and a retry may succeed.
    return 500 if isinstance(error, InDoubtError) else 503
