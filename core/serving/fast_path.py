"""The fast path for predict requests: answered where their bytes arrive, before they become an ASGI request.

An ASGI task for every request costs more than the prediction. A request that has arrived whole, in one piece, on an
otherwise idle connection is tried here first. Requests that `Predictor.try_inline` declines, and all other bytes, go to
uvicorn unchanged. Heads are parsed by httptools, as in uvicorn, and cached by their bytes, since clients repeat them.
"""

from typing import Any

import httptools
from typing_extensions import override

from core.serving.authenticator import Headers
from core.serving.connection import TimedProtocol
from core.serving.predict import Predictor, Target

MAX_HEAD_BYTES = 4_096
_MAX_REMEMBERED = 1_024
_NEVER_REPEATED = frozenset((b"x-request-id", b"traceparent"))
_UNSUITED = (b"transfer-encoding", b"content-encoding", b"expect", b"upgrade")


class Head:
    """The head of a predict request that can be answered inline."""

    __slots__ = ("headers", "n_body", "target")

    def __init__(self, target: Target, headers: Headers, n_body: int) -> None:
        self.target = target
        self.headers = headers
        self.n_body = n_body


class FastPath:
    """Recognises requests for the fast path; shared by all connections of a server."""

    def __init__(self, predictor: Predictor, target: Any) -> None:
        """Prepare.

        Args:
            predictor: Answers the requests.
            target: Returns the `Target` of a path, or None for a path that is not a predict path.
        """
        self._predictor = predictor
        self._target = target
        self._heads: dict[bytes, Head | None] = {}

    def answer(self, data: bytes, client: tuple[str, int] | None, dates: list[tuple[bytes, bytes]]) -> bytes | None:
        """Answer a request; None if it must go through ASGI.

        Args:
            data: The received bytes.
            client: The peer.
            dates: Header fields of every answer.
        """
        end = data.find(b"\r\n\r\n") + 4
        if not 4 <= end <= MAX_HEAD_BYTES:
            return None
        start = data[:end]
        try:
            head = self._heads[start]
        except KeyError:
            head = self._remember(start)
        if head is None or len(data) - end != head.n_body:
            return None
        reply = self._predictor.try_inline(head.target, head.headers, client, data[end:])
        if reply is None:
            return None
        fields = b"".join([b"%b: %b\r\n" % field for field in dates])
        return b"%b%bx-request-id: %b\r\ncontent-length: %d\r\n\r\n%b" % (
            reply.start,
            fields,
            reply.request_id.encode(),
            len(reply.body),
            reply.body,
        )

    def _remember(self, start: bytes) -> Head | None:
        head = self._parse(start)
        if head is None or _NEVER_REPEATED.isdisjoint(head.headers):
            if len(self._heads) >= _MAX_REMEMBERED:
                self._heads.clear()
            self._heads[start] = head
        return head

    def _parse(self, start: bytes) -> Head | None:
        found = _Fields()
        parser = httptools.HttpRequestParser(found)
        try:
            parser.feed_data(start)
            is_plain = parser.get_method() == b"POST" and parser.get_http_version() == "1.1"
            if not is_plain or not parser.should_keep_alive() or parser.should_upgrade():
                return None
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            return None
        headers = dict(found.fields)
        length = headers.get(b"content-length", b"")
        if not length.isdigit() or len(headers) != len(found.fields) or any(name in headers for name in _UNSUITED):
            return None
        target: Target | None = self._target(found.url.decode("latin-1"))
        return None if target is None else Head(target, headers, int(length))


class PredictProtocol(TimedProtocol):
    """The protocol of a connection, with the fast path in front."""

    @override
    def data_received(self, data: bytes) -> None:
        cycle = self.cycle
        if (
            self._is_between_requests
            and data.startswith(b"POST /")
            and (cycle is None or cycle.response_complete)
            and not self.flow.write_paused
            and not self._is_reserve
            and not self._is_lingering
            and not self._is_draining
            and not self.config.app.is_for_metrics(self.server)  # type: ignore[union-attr]
        ):
            fast_path: FastPath = self.config.app.fast_path  # type: ignore[union-attr]
            answer = fast_path.answer(data, self.client, self.server_state.default_headers)
            if answer is not None:
                self._clear_timer()
                self.note_use()
                self.transport.write(answer)
                self.on_response_complete()
                return
        super().data_received(data)


class _Fields:
    """Collects the parts that the parser finds in a head."""

    def __init__(self) -> None:
        self.url = b""
        self.fields: list[tuple[bytes, bytes]] = []

    def on_url(self, url: bytes) -> None:
        """Add a piece of the path."""
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header field."""
        self.fields.append((name.lower(), value))
