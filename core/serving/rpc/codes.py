"""The gRPC status of each error that serving raises on purpose."""

import grpc

from core.errors import CoreError
from core.serving.errors import status_of

Code = grpc.StatusCode

_CODES = {
    400: Code.INVALID_ARGUMENT,
    401: Code.UNAUTHENTICATED,
    403: Code.PERMISSION_DENIED,
    404: Code.NOT_FOUND,
    405: Code.UNIMPLEMENTED,
    408: Code.DEADLINE_EXCEEDED,
    409: Code.ABORTED,
    413: Code.INVALID_ARGUMENT,  # RESOURCE_EXHAUSTED would be tried again
    422: Code.FAILED_PRECONDITION,
    501: Code.UNIMPLEMENTED,
    503: Code.UNAVAILABLE,
    504: Code.DEADLINE_EXCEEDED,
}
_MOST_BYTES = 1_500  # percent-encoded within the 8 KiB of metadata that clients accept


def code_of(error: CoreError) -> grpc.StatusCode:
    """Return the status of an error."""
    return _CODES.get(status_of(error), Code.INTERNAL)


def details_of(error: CoreError) -> str:
    """Return the sentence of an error, on one line and short enough for every client."""
    text = " ".join(str(error).split())
    content = text.encode("utf-8", "replace")
    return text if len(content) <= _MOST_BYTES else content[:_MOST_BYTES].decode(errors="ignore") + "…"
