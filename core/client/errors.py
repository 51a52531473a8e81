"""The errors of a request to a model server, each with its remedy.

ClientError
├── TransientError            a later attempt may succeed; all allowed retries have failed
│   ├── UnreachableError      nothing listens there, or the connection broke
│   ├── TimedOutError         no complete answer within the time limit
│   ├── BrokenAnswerError     the answer cannot be read
│   └── PeerFailedError       the server failed (5xx)
│       └── PeerBusyError     the server is too busy or not ready (429, 503)
├── CircuitOpenError          not sent, since too many recent attempts failed
├── RejectedError             the request is invalid (4xx); the field is named if the server names it
│   ├── UnknownModelError     no such model, version or label
│   └── NotSpokenError        the dialect does not support the operation
├── NotAllowedError           no valid token, or its role is too low
└── ExtraMissingError         an optional package is not installed
"""

from core.errors import CoreError, NotFoundError, RefusedError, UsageError


class ClientError(CoreError):
    """The root of the errors that the client raises deliberately.

    Attributes:
        status: The HTTP status of the server's answer, if there was one.
    """

    status: int | None = None


class TransientError(ClientError):
    """The same request may succeed later; raised once the retries are exhausted.

    Attributes:
        retry_after_seconds: The wait that the server asks for, if it does.
    """

    retry_after_seconds: float | None = None


class UnreachableError(TransientError):
    """The request did not get through."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url} cannot be reached ({reason}). Check the address, and that the server is running.")


class TimedOutError(TransientError):
    """There was no complete answer in time."""

    def __init__(self, url: str, what: str, seconds: float) -> None:
        super().__init__(
            f"{url}: {what} took longer than {seconds:.3g} seconds. "
            "Send fewer rows in a request, or raise the limit in `Timeouts`."
        )


class BrokenAnswerError(TransientError):
    """The answer is not valid in the dialect."""

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(
            f"The answer of {url} cannot be read: {problem}. "
            "Check that a model server of this dialect listens there, without a proxy that changes answers."
        )


class PeerFailedError(TransientError):
    """The server accepted the request and failed."""

    advice = "See the log of the server."

    def __init__(self, url: str, status: int | None, reason: str, *, retry_after_seconds: float | None = None) -> None:
        code = f" ({status})" if status else ""
        super().__init__(f"{url} failed{code}: {reason.rstrip('.') or 'no reason given'}. {self.advice}")
        self.status = status
        self.retry_after_seconds = retry_after_seconds


class PeerBusyError(PeerFailedError):
    """The server is too busy, or not ready yet."""

    advice = "Retry later, or send fewer requests."


class CircuitOpenError(ClientError):
    """No request was sent, because too many recent attempts failed.

    Attributes:
        retry_after_seconds: When the next attempt is allowed.
    """

    def __init__(self, n_failures: int, retry_after_seconds: float, reason: str) -> None:
        super().__init__(
            f"No request was sent: the last {n_failures} attempts failed, so the next one is allowed in "
            f"{retry_after_seconds:.1f} seconds. Last failure: {reason}"
        )
        self.retry_after_seconds = retry_after_seconds


class RejectedError(ClientError, UsageError):
    """The request itself is invalid; a retry cannot help.

    Attributes:
        field: The field at fault, if known.
    """

    def __init__(self, message: str, *, status: int | None = None, field: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.field = field


class UnknownModelError(RejectedError, NotFoundError):
    """The server does not know the model, version or label."""


class NotSpokenError(RejectedError):
    """The dialect does not support the operation."""


class NotAllowedError(ClientError, RefusedError):
    """The server requires a token, or a different token.

    Attributes:
        reason: What the server says.
    """

    def __init__(self, url: str, reason: str, *, status: int | None = None) -> None:
        super().__init__(f"{url}: {reason} Give the client a token with the required role: Client(…, token=…).")
        self.reason = reason
        self.status = status


class ExtraMissingError(ClientError, UsageError):
    """An optional package is not installed."""


def rejection(url: str, status: int, reason: str, field: str | None = None) -> ClientError:
    """Return the error for a 4xx answer.

    >>> rejection("http://h", 404, "There is no model 'x'.")
    UnknownModelError("http://h: There is no model 'x'.")
    """
    if status in (401, 403):
        return NotAllowedError(url, reason or "not allowed", status=status)
    reason = reason or f"the request was refused with status {status} without a reason"
    kind = UnknownModelError if status == 404 else RejectedError
    return kind(f"{url}: {reason}", status=status, field=field)
