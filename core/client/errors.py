"""What can go wrong in asking a model server, each with what to do about it.

ClientError
├── TransientError            asking again may help, and has been tried as often as allowed
│   ├── UnreachableError      nobody listens there, or the line broke
│   ├── TimedOutError         no whole answer in the time there was
│   ├── BrokenAnswerError     an answer came, and cannot be read
│   └── PeerFailedError       the server failed by itself (5xx)
│       └── PeerBusyError     it says that it is too busy or not ready (429, 503)
├── CircuitOpenError          not asked, since it has failed too often just now
├── RejectedError             the request is wrong (4xx); the field is named where the server names it
│   ├── UnknownModelError     no such model, version or label
│   └── NotSpokenError        this dialect has no way to say that
├── NotAllowedError           no valid token, or its role does not suffice
└── ExtraMissingError         an optional package is not installed
"""

from core.errors import CoreError, NotFoundError, RefusedError, UsageError


class ClientError(CoreError):
    """The root of what the client raises on purpose.

    Attributes:
        status: The HTTP status the server answered with, if it did.
    """

    status: int | None = None


class TransientError(ClientError):
    """The same request may succeed later; raised once retries are used up.

    Attributes:
        retry_after_seconds: How long the server asks to be left alone, if it does.
    """

    retry_after_seconds: float | None = None


class UnreachableError(TransientError):
    """The request did not get through."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url} cannot be reached ({reason}). Check the address, and that the server runs.")


class TimedOutError(TransientError):
    """There was no whole answer in time."""

    def __init__(self, url: str, what: str, seconds: float) -> None:
        super().__init__(
            f"{url}: {what} took longer than {seconds:.3g} seconds. "
            "Send fewer rows at once, or allow more in `Timeouts`."
        )


class BrokenAnswerError(TransientError):
    """What came back is no answer that the dialect knows."""

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(
            f"{url} gave an answer that cannot be read: {problem}. "
            "Check that a model server of this dialect listens there, with no proxy that changes answers."
        )


class PeerFailedError(TransientError):
    """The server took the request and failed."""

    advice = "Its own log says why."

    def __init__(self, url: str, status: int | None, reason: str, *, retry_after_seconds: float | None = None) -> None:
        code = f" ({status})" if status else ""
        super().__init__(f"{url} failed{code}: {reason.rstrip('.') or 'no reason given'}. {self.advice}")
        self.status = status
        self.retry_after_seconds = retry_after_seconds


class PeerBusyError(PeerFailedError):
    """The server is too busy, or not ready yet."""

    advice = "Ask again later, or less often."


class CircuitOpenError(ClientError):
    """The server was not asked, because it has failed too often just now.

    Attributes:
        retry_after_seconds: When it will be tried again.
    """

    def __init__(self, n_failures: int, retry_after_seconds: float, reason: str) -> None:
        super().__init__(
            f"Not asked: the last {n_failures} attempts failed, so the server is left alone for another "
            f"{retry_after_seconds:.1f} seconds. The last failure: {reason}"
        )
        self.retry_after_seconds = retry_after_seconds


class RejectedError(ClientError, UsageError):
    """The request itself is wrong; asking the same again cannot help.

    Attributes:
        field: The field at fault, where it is known.
    """

    def __init__(self, message: str, *, status: int | None = None, field: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.field = field


class UnknownModelError(RejectedError, NotFoundError):
    """The model, the version or the label is not known there."""


class NotSpokenError(RejectedError):
    """The dialect has no way to say this."""


class NotAllowedError(ClientError, RefusedError):
    """The server wants a token, or another one."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class ExtraMissingError(ClientError, UsageError):
    """An optional package is not installed."""


def rejection(url: str, status: int, reason: str, field: str | None = None) -> ClientError:
    """Say what a 4xx answer means.

    >>> rejection("http://h", 404, "There is no model 'x'.")
    UnknownModelError("http://h: There is no model 'x'.")
    """
    if status in (401, 403):
        return NotAllowedError(
            f"{url}: {reason or 'not allowed'} Give the client a token that allows it: Client(…, token=…).",
            status=status,
        )
    reason = reason or f"the request was refused with status {status} and no reason"
    kind = UnknownModelError if status == 404 else RejectedError
    return kind(f"{url}: {reason}", status=status, field=field)
