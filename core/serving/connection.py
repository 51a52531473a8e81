"""Connections with time limits, for an idle connection and for a request to arrive, and with an end that is heard.

uvicorn limits only the idle time after an answer. A connection that never sends a request, a head that arrives a byte a
minute, or a body that nobody reads would be held forever, and a thousand of them exhaust the connection limit.
"""

import re
from asyncio import TimerHandle, Transport
from collections.abc import Callable
from functools import partial

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from core.serving.crowd import Admission, Crowd
from core.serving.dialects import refusal
from core.serving.errors import (
    BadRequestError,
    ServingError,
    TookTooLongError,
    TooLargeError,
    TooLongUrlError,
    UnavailableError,
    UnknownCodingError,
)
from core.serving.limits import ServingLimits
from core.serving.peer_accounts import account_behind
from core.serving.upgrades import OneProtocol

MAX_HEAD_BYTES = 64 << 10
_TOO_LARGE_HEAD = f"The request head is over the limit of {MAX_HEAD_BYTES:,} bytes."
# The reader of a body reports its own time-out; this limit is for bodies that nobody reads.
_BODY_GRACE_SECONDS = 5.0
_DRAIN_SECONDS = 2.0
_LINGER_SECONDS = 2.0
_LINGER_BYTES = 64 << 20


class _Wire:
    """The transport as an answer sees it: closing it waits for what the caller is still sending."""

    def __init__(self, transport: Transport, close: Callable[[], None]) -> None:
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.close = close


class TimedProtocol(OneProtocol):
    """uvicorn's protocol with limits on idle time, heads and bodies."""

    _is_between_requests = True
    _is_head_whole = False
    _n_head_bytes = 0
    _timer: TimerHandle | None = None
    _has_asked = False
    _used_at = 0.0
    _is_reserve = False  # only probes are answered
    _n_left: int | None = None  # bytes that may still arrive after the last answer; None before it
    _wire: _Wire

    @property
    def _limits(self) -> ServingLimits:
        limits: ServingLimits = self.config.app.limits  # type: ignore[union-attr]
        return limits

    @property
    def _crowd(self) -> Crowd:
        crowd: Crowd = self.config.app.crowd  # type: ignore[union-attr]
        return crowd

    @override
    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if (account := account_behind(transport)) is not None:
            self.client = account, 0  # from here on, as an address: limits by peer hold for each account
        self._used_at = self.loop.time()
        self._wire = _Wire(transport, self._close_after_request)
        admission = self._crowd.enter(self)
        if admission is Admission.REFUSED:
            self._hang_up(UnavailableError("Too many connections are open."), 503, lingers=self._crowd.hear_out(self))
            return
        if admission is Admission.PROBES_ONLY:
            self._is_reserve = True
            self.app = self.config.app.answer_probe  # type: ignore[union-attr]
        self._set_timer(min(self._limits.idle_seconds, self._limits.first_request_seconds), self._end_rest)

    @property
    def _is_draining(self) -> bool:
        return bool(self.config.app.is_draining)  # type: ignore[union-attr]

    @property
    def _is_answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    @override
    def shutdown(self) -> None:
        """End: now or, in a server with a successor, with the next answer or after a rest.

        A caller at rest may be sending its next request just now, and would find the connection closed.
        """
        if self._is_draining and self._is_answered and not self.transport.is_closing():
            self._clear_timer()
            self._set_timer(_DRAIN_SECONDS, self._end_rest)
        else:
            super().shutdown()

    @property
    def peer(self) -> str:
        """The address of the other end."""
        return self.client[0] if self.client else ""

    @property
    def waits_since(self) -> tuple[bool, float] | None:
        """Since when the server waits for the caller, after whether it ever asked; None while it is being answered."""
        if self._is_reserve and self._is_lingering:  # answered: its place is for the next probe
            return True, self._used_at
        waits = self._is_answered and (self._is_between_requests or not self._is_head_whole or self._is_lingering)
        return (self._has_asked, self._used_at) if waits else None

    def give_way(self) -> None:
        """Close."""
        self._clear_timer()
        self.transport.close()

    def note_use(self) -> None:
        """Remember that the caller has asked just now."""
        self._has_asked = True
        self._used_at = self.loop.time()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._clear_timer()
        self._crowd.leave(self)
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        if self._n_left is not None:
            self._n_left -= len(data)
            if self._n_left < 0:
                self.transport.close()
            return
        super().data_received(data)
        if self.transport.is_closing() or self._is_lingering:
            return
        if self._is_between_requests:
            if self._is_answered and self.timeout_keep_alive_task is None and self._timer is None:
                self._set_timer(self._limits.idle_seconds, self._end_rest)  # only empty lines arrived
            return
        if not self._is_head_whole:
            self._n_head_bytes += len(data)
            if self._n_head_bytes > MAX_HEAD_BYTES:
                is_url = not self.headers  # the first field has not begun
                error = TooLongUrlError(MAX_HEAD_BYTES) if is_url else TooLargeError(_TOO_LARGE_HEAD)
                self._hang_up(error, 414 if is_url else 431)
                return
        if self._timer is None:
            self._expect_request()

    @override
    def on_message_begin(self) -> None:
        self._clear_timer()
        self._is_between_requests = self._is_head_whole = False
        self._n_head_bytes = 0
        super().on_message_begin()

    @override
    def on_headers_complete(self) -> None:
        if self._is_offer:
            return
        self._clear_timer()
        self.note_use()
        self._is_head_whole = True
        if not self.url.startswith((b"/", b"*")):
            # RFC 9112, 3.2.2: the host in the request target counts, and the header field does not.
            self.headers[:] = [(name, value) for name, value in self.headers if name != b"host"]
            self.headers.append((b"host", _authority(self.url)))
        app = self.app
        if (error := self._unanswerable()) is not None:
            self.app = partial(self.config.app.refuse, error)  # type: ignore[union-attr]
        super().on_headers_complete()
        self.app = app
        self.cycle.transport = self._wire  # type: ignore[assignment]

    def _unanswerable(self) -> ServingError | None:
        """Find a reason in the head why no path can answer the request."""
        if len(self.url) >= MAX_HEAD_BYTES:  # it may arrive in one piece
            self.url = b"/"
            return TooLongUrlError(MAX_HEAD_BYTES)
        coding = next((value for name, value in self.headers if name == b"transfer-encoding"), b"chunked")
        return None if coding.lower() == b"chunked" else UnknownCodingError(coding)

    @override
    def on_response_complete(self) -> None:
        if self._is_lingering:
            self.server_state.total_requests += 1
        else:
            super().on_response_complete()

    @override
    def send_400_response(self, msg: str) -> None:
        self._hang_up(BadRequestError("The request is not valid HTTP/1.1."), 400)

    @override
    def on_message_complete(self) -> None:
        if self._is_offer:
            return
        self._clear_timer()
        self._is_between_requests = True
        super().on_message_complete()

    def _set_timer(self, seconds: float, end: Callable[[], None]) -> None:
        self._timer = self.loop.call_later(seconds, end)

    def _clear_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expect_request(self) -> None:
        grace = _BODY_GRACE_SECONDS if self._is_head_whole else 0.0
        self._set_timer(self._limits.body_seconds + grace, self._end_request)

    def _end_rest(self) -> None:
        self._timer = None
        self.transport.close()

    def _end_request(self) -> None:
        self._timer = None
        if self.flow.read_paused:  # the server has paused reading, so the caller cannot send
            self._expect_request()
        elif not self._is_head_whole:
            self._hang_up(TookTooLongError("The request head", self._limits.body_seconds), 408)
        else:
            self.transport.close()

    @property
    def _is_lingering(self) -> bool:
        return self._n_left is not None

    @property
    def _can_be_told(self) -> bool:
        """Whether the next bytes to the caller may be those of a new answer."""
        return self._is_answered or not (self.pipeline or self.cycle.response_started)

    def _hang_up(self, error: ServingError, status: int, *, lingers: bool = True) -> None:
        """Send the reason, unless an earlier request is still being answered, and close the connection."""
        self._clear_timer()
        if not self._can_be_told:
            self.transport.close()
            return
        if not self._is_answered:
            self.cycle.disconnected = True  # this is its answer
            self.cycle.message_event.set()
        error.status = status
        body = refusal(error)
        request_id: str = self.config.app.new_id()  # type: ignore[union-attr]
        fields = (
            b"content-type: application/json\r\nx-request-id: %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        )
        dates = b"".join(b"%b: %b\r\n" % field for field in self.server_state.default_headers)
        self.transport.write(STATUS_LINE[status] + dates + fields % (request_id.encode(), len(body)) + body)
        if lingers:
            self._linger()
        else:
            self.transport.close()

    def _close_after_request(self) -> None:
        """Close after the last answer, but only once the caller has had the time to read it."""
        if self._is_between_requests or self.transport.is_closing():
            self.transport.close()
        elif not self._is_lingering:
            self._linger()

    def _linger(self) -> None:
        """Say that nothing more comes, and discard what arrives until the caller closes, for a limited time.

        Closed at once, the connection would be reset by the bytes that nobody reads, and a caller that sends its
        request before it reads would lose the answer.

        Source: RFC 9112, section 9.6
        """
        self._n_left = _LINGER_BYTES
        self._clear_timer()
        self._set_timer(_LINGER_SECONDS, self._end_rest)
        self.flow.resume_reading()
        if self.transport.can_write_eof():  # not over TLS
            self.transport.write_eof()


def _authority(target: bytes) -> bytes:
    """Return host and port of a request target in absolute form; empty if it has none.

    >>> _authority(b"http://evil.example:80/ready?x=1"), _authority(b"evil.example")
    (b'evil.example:80', b'')
    """
    _, scheme_end, rest = target.partition(b"://")
    return re.split(rb"[/?#]", rest, maxsplit=1)[0] if scheme_end else b""
