"""Real receivers of notifications on loopback: an HTTP server that answers, refuses, delays and drops as it is told."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.waiting import PATIENCE_SECONDS


@dataclass
class Answer:
    """What a receiver does with a request."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    drops: bool = False  # it closes the connection without an answer
    waits_for: threading.Event | None = None  # it answers once this is set


@dataclass(frozen=True)
class Received:
    """A request that came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class HttpReceiver:
    """Keeps every request, and answers as told: a test changes `answers` at any time."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.script: list[Answer] = []
        """The next answers; then `usual`."""
        self.usual = Answer()
        self.choose: Callable[[Received], Answer] | None = None
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers.get("content-length", 0))
                headers = {name.lower(): text for name, text in self.headers.items()}
                received = Received(self.path, headers, self.rfile.read(length))
                answer = receiver._answer(received)
                if answer.waits_for is not None:
                    answer.waits_for.wait(PATIENCE_SECONDS)
                self.close_connection = True
                if answer.drops:
                    return
                try:
                    self.send_response(answer.status)
                    for name, text in answer.headers.items():
                        self.send_header(name, text)
                    self.send_header("content-length", str(len(answer.body)))
                    self.send_header("connection", "close")
                    self.end_headers()
                    self.wfile.write(answer.body)
                except OSError:  # the client gave up
                    return

            def log_message(self, *_words: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def _answer(self, received: Received) -> Answer:
        self.requests.append(received)
        if self.choose is not None:
            return self.choose(received)
        return self.script.pop(0) if self.script else self.usual

    def url(self, path: str = "/") -> str:
        """Return its address."""
        return f"http://127.0.0.1:{self.port}{path}"

    def close(self) -> None:
        """Stop to listen."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def http_receiver() -> Iterator[HttpReceiver]:
    """Run an HTTP receiver within a block."""
    receiver = HttpReceiver()
    try:
        yield receiver
    finally:
        receiver.close()
