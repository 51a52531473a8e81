"""Connections with time limits: for an idle connection, and for a request to arrive.

uvicorn limits only the idle time after an answer. A connection that never sends a request, a head that arrives a byte a
minute, or a body that nobody reads would be held forever, and a thousand of them exhaust the connection limit.
"""

from asyncio import TimerHandle, Transport
from collections.abc import Callable

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from core.serving.crowd import Admission, Crowd
from core.serving.dialects import refusal
from core.serving.errors import ServingError, TookTooLongError, TooLargeError, UnavailableError
from core.serving.limits import ServingLimits

MAX_HEAD_BYTES = 64 << 10
# The reader of a body reports its own time-out; this limit is for bodies that nobody reads.
_BODY_GRACE_SECONDS = 5.0
_DRAIN_SECONDS = 2.0


class TimedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with limits on idle time, heads and bodies."""

    _is_between_requests = True
    _is_head_whole = False
    _n_head_bytes = 0
    _timer: TimerHandle | None = None
    _has_asked = False
    _used_at = 0.0
    _is_reserve = False  # only probes are answered

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
        self._used_at = self.loop.time()
        admission = self._crowd.enter(self)
        if admission is Admission.REFUSED:
            self._hang_up(UnavailableError("Too many connections are open."), 503)
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
        waits = self._is_answered and (self._is_between_requests or not self._is_head_whole)
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
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._is_between_requests:
            if self._is_answered and self.timeout_keep_alive_task is None and self._timer is None:
                self._set_timer(self._limits.idle_seconds, self._end_rest)  # only empty lines arrived
            return
        if not self._is_head_whole:
            self._n_head_bytes += len(data)
            if self._n_head_bytes > MAX_HEAD_BYTES:
                problem = f"The request head is over the limit of {MAX_HEAD_BYTES:,} bytes."
                self._hang_up(TooLargeError(problem), 431)
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
        self._clear_timer()
        self.note_use()
        self._is_head_whole = True
        super().on_headers_complete()

    @override
    def on_message_complete(self) -> None:
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

    def _hang_up(self, error: ServingError, status: int) -> None:
        """Send the reason, unless an earlier request is still being answered, and close the connection."""
        self._clear_timer()
        if self._is_answered:
            error.status = status
            body = refusal(error)
            fields = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
            dates = b"".join(b"%b: %b\r\n" % field for field in self.server_state.default_headers)
            self.transport.write(STATUS_LINE[status] + dates + fields + body)
        self.transport.close()
