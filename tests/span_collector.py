"""A collector of OpenTelemetry on loopback, which decodes the spans that it gets over OTLP/HTTP."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class SpanCollector:
    """Takes requests; it may refuse them, or keep callers waiting."""

    def __init__(self) -> None:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        self.requests: list[Any] = []
        self.bodies: list[bytes] = []
        self.headers: list[tuple[str, dict[str, str]]] = []
        self.status = 200
        self.may_answer = threading.Event()
        self.may_answer.set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.may_answer.wait()
                if self.path == "/v1/traces":
                    collector.headers.append((self.path, dict(self.headers)))
                    collector.bodies.append(body)
                    collector.requests.append(ExportTraceServiceRequest.FromString(body))
                self.send_response(collector.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def spans(self, name: str = "") -> list[Any]:
        """Return the spans so far, of one name or of any."""
        found = []
        for request in list(self.requests):
            for of_process in request.resource_spans:
                for scope in of_process.scope_spans:
                    found += [span for span in scope.spans if not name or span.name == name]
        return found

    def close(self) -> None:
        """End."""
        self.may_answer.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def told(span: Any) -> dict[str, Any]:
    """Return the attributes of a span."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}


@contextmanager
def span_collector() -> Iterator[SpanCollector]:
    """Run a collector in a `with` block."""
    collector = SpanCollector()
    try:
        yield collector
    finally:
        collector.close()
