"""A receiver of webhooks on loopback, which verifies as the documentation of MLflow says, and can refuse."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

OLDEST_SECONDS = 300


def verify_timestamp_freshness(timestamp: str, now: datetime, max_age: int = OLDEST_SECONDS) -> bool:
    """Refuse what is replayed, as MLflow's example does."""
    try:
        age = int(now.timestamp()) - int(timestamp)
    except (ValueError, TypeError):
        return False
    return 0 <= age <= max_age


def verify_mlflow_signature(payload: str, signature: str, secret: str, delivery_id: str, timestamp: str) -> bool:
    """Verify a signature, as MLflow's example does."""
    if not signature.startswith("v1,"):
        return False
    signed_content = f"{delivery_id}.{timestamp}.{payload}"
    expected = hmac.new(secret.encode("utf-8"), signed_content.encode("utf-8"), hashlib.sha256).digest()
    return hmac.compare_digest(signature.removeprefix("v1,"), base64.b64encode(expected).decode("utf-8"))


class Receiver:
    """What arrived, and what is answered next."""

    def __init__(self, secret: str, clock: Callable[[], datetime]) -> None:
        self.secret = secret
        self.clock = clock
        self.answers: list[tuple[int, dict[str, str]]] = []  # 200 once they are used up
        self.bodies: list[dict[str, Any]] = []  # that were verified and taken
        self.payloads: list[str] = []  # of every attempt, by which it was verified
        self.delivery_ids: list[str] = []  # of every attempt
        self.n_forged = 0
        self.url = ""

    def events(self) -> list[str]:
        return [f"{body['entity']}.{body['action']}" for body in self.bodies]

    def answer(self, headers: Any, payload: str) -> tuple[int, dict[str, str]]:
        delivery_id, timestamp = headers["X-MLflow-Delivery-Id"], headers["X-MLflow-Timestamp"]
        signature = headers["X-MLflow-Signature"] or ""
        is_genuine = verify_mlflow_signature(payload, signature, self.secret, delivery_id, timestamp)
        if not (is_genuine and verify_timestamp_freshness(timestamp, self.clock())):
            self.n_forged += 1
            return 401, {}
        self.delivery_ids.append(delivery_id)
        self.payloads.append(payload)
        status, more = self.answers.pop(0) if self.answers else (200, {})
        if status == 200:
            self.bodies.append(json.loads(payload))
        return status, more


@contextmanager
def receiving(secret: str, clock: Callable[[], datetime]) -> Iterator[Receiver]:
    """Listen until the block ends."""
    receiver = Receiver(secret, clock)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            payload = self.rfile.read(int(self.headers["content-length"])).decode()
            status, more = receiver.answer(self.headers, payload)
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_port}/hooks"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
