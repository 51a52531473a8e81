"""Errors as answers: the message under `error`, the status, and the field at fault, if there is one."""

import logging
import re
import sys
from collections.abc import Callable
from typing import Any

import msgspec
from litestar import MediaType, Request, Response
from litestar.exceptions import HTTPException

from core.errors import CoreError
from core.serving.asgi import RETRY_SECONDS
from core.serving.errors import TooManyRequestsError, status_of
from core.serving.public_reasons import within

ROOT = "root"
"""The key of the application's state with the folder of the workspace."""

_OUT_OF_RANGE = re.compile(r"Number out of range - at `(.*)`")

log = logging.getLogger(__name__)


class Fault(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The reason why a request failed."""

    error: str
    status: int
    field: str | None = None
    changes: dict[str, tuple[Any, Any]] | None = None  # of a conflict: by field, expected and current value


def on_core_error(request: Request[Any, Any, Any], error: CoreError) -> Response[Fault]:
    """Answer with an error that the engine raised deliberately."""
    changes = getattr(error, "changes", None)
    return _answer(
        Fault(
            error=within(str(error), request.app.state[ROOT]),
            status=status_of(error),
            field=getattr(error, "field", None),
            changes=msgspec.to_builtins(changes, enc_hook=str) if changes else None,
        ),
        {"retry-after": str(error.wait_seconds)} if isinstance(error, TooManyRequestsError) else None,
    )


def on_http_error(_request: Request[Any, Any, Any], error: HTTPException) -> Response[Fault]:
    """Answer with an error that the framework found, mostly a malformed body."""
    sentence, field = str(error.detail), None
    if error.status_code == 400 and isinstance(error.extra, list) and error.extra:
        first = error.extra[0]
        field = str(first.get("key") or "") or None
        sentence = "; ".join(
            f"{entry['key']}: {entry['message']}" if entry.get("key") else str(entry.get("message"))
            for entry in error.extra
            if isinstance(entry, dict)
        )
    if found := _OUT_OF_RANGE.search(sentence):
        positions = re.findall(r"\[([^].]+)\]", found[1])
        where = f" in entry {positions[0]}, counted from 0," if positions else ""
        sentence = f"A number{where} is out of range: give one of {sys.float_info.max:.1e} at most, or null."
    return _answer(Fault(error=sentence, status=error.status_code, field=field), dict(error.headers or {}))


def on_too_deep(request: Request[Any, Any, Any], error: RecursionError) -> Response[Fault]:
    """Answer a body too deeply nested for its decoder; a traceback is logged only if our own code is at fault."""
    is_of_decoder = "deserializing" in str(error)
    log.warning(
        "recursion limit reached in %s %s", request.method, request.url.path, exc_info=None if is_of_decoder else error
    )
    return _answer(Fault(error="The request is nested too deeply.", status=400))


def on_bad_text(request: Request[Any, Any, Any], error: UnicodeDecodeError) -> Response[Fault]:
    """Answer a body with bytes that are no text; logged, in case our own code is at fault."""
    log.warning("bytes that are not UTF-8 in %s %s", request.method, request.url.path, exc_info=error)
    byte = error.object[error.start : error.start + 1].hex()
    problem = f"The request is not valid UTF-8: byte 0x{byte} at position {error.start} of one of its texts."
    return _answer(Fault(error=problem, status=400))


def on_bug(request: Request[Any, Any, Any], error: Exception) -> Response[Fault]:
    """Answer with an internal error; the traceback goes to the log, not to the caller."""
    log.error("internal error in %s %s", request.method, request.url.path, exc_info=error)
    return _answer(Fault(error="Internal error; see the server log for details.", status=500))


def in_a_sentence(
    answer: Callable[[Request[Any, Any, Any], Any], Response[Fault]],
) -> Callable[[Request[Any, Any, Any], Any], Response[bytes]]:
    """Answer an error with its sentence alone, a JSON string, as an Alertmanager does."""

    def alone(request: Request[Any, Any, Any], error: Any) -> Response[bytes]:
        found = answer(request, error)
        return Response(
            msgspec.json.encode(found.content.error),
            status_code=found.status_code,
            media_type=MediaType.JSON,
            headers=found.headers,
        )

    return alone


def _answer(fault: Fault, headers: dict[str, str] | None = None) -> Response[Fault]:
    headers = dict(headers or {})
    if fault.status == 401:
        headers["www-authenticate"] = 'Bearer realm="bondx"'
    if fault.status == 503:
        headers["retry-after"] = str(RETRY_SECONDS)
    return Response(fault, status_code=fault.status, media_type=MediaType.JSON, headers=headers)
