"""An OIDC provider in a process of its own: discovery, keys that change on command, and real tokens signed by them.

`python tests/oidc_provider.py` is that process; `Provider` is how tests talk to it.
"""

import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

METADATA, KEYS = "/.well-known/openid-configuration", "/keys"
AUDIENCE = "bondx"
HUGE_BYTES = 100 << 20


class Provider:
    """A provider process, and how to talk to it."""

    def __init__(self, process: "subprocess.Popen[str]", issuer: str) -> None:
        self.process, self.issuer = process, issuer

    def token(self, subject: str = "ana", header: dict[str, Any] | None = None, **claims: Any) -> str:
        """Sign a token by the newest key."""
        now = int(time.time())
        content = {"iss": self.issuer, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + 3600, **claims}
        return self._ask("/-/token", {"claims": content, "header": header or {}})["token"]

    def rotate(self, *, keeps: bool = True) -> None:
        """Sign by a new key from now on, and publish the former ones or not."""
        self._ask("/-/rotate", {"keeps": keeps})

    def answer(self, path: str, behaviour: str, value: Any = None) -> None:
        """Answer a path in another way: see `_Handler.do_GET`; "" as it should."""
        self._ask("/-/answer", {"path": path, "behaviour": behaviour, "value": value})

    def counts(self) -> dict[str, int]:
        """Return how often each path was asked for, and how many bytes of a huge answer were taken."""
        return self._ask("/-/counts", {})

    def release(self) -> None:
        """Give the answers that are held back."""
        self.answer(METADATA, "")
        self.answer(KEYS, "")

    def stop(self) -> None:
        """End, as a provider that is down."""
        self.process.terminate()
        self.process.communicate()

    def _ask(self, path: str, content: dict[str, Any]) -> Any:
        request = urllib.request.Request(self.issuer + path, json.dumps(content).encode())
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read())


@contextmanager
def oidc_provider() -> Iterator[Provider]:
    """Run a provider in a `with` block."""
    process = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    provider = Provider(process, f"http://127.0.0.1:{process.stdout.readline().strip()}")
    try:
        yield provider
    finally:
        if process.poll() is None:
            provider.stop()


class _State:
    """What the provider knows."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.keys: list[Any] = []
        self.n_made = 0
        self.answers: dict[str, tuple[str, Any]] = {}
        self.counts: dict[str, int] = {"huge": 0}
        self.rotate(keeps=True)

    def rotate(self, *, keeps: bool) -> None:
        from joserfc.jwk import RSAKey

        self.n_made += 1
        key = RSAKey.generate_key(2048, {"kid": f"key-{self.n_made}", "use": "sig", "alg": "RS256"})
        self.keys = [*(self.keys if keeps else []), key]

    def token(self, claims: dict[str, Any], header: dict[str, Any]) -> str:
        from joserfc import jwt

        key = self.keys[-1]
        return jwt.encode({"alg": "RS256", "kid": key.kid, "typ": "at+jwt", **header}, claims, key)


class _Handler(BaseHTTPRequestHandler):
    state: _State
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer discovery and keys, or misbehave as the test wants."""
        state, path = self.state, self.path
        state.counts[path] = state.counts.get(path, 0) + 1
        while state.answers.get(path, ("", None))[0] == "hold":
            with state.changed:
                state.changed.wait(0.05)
        behaviour, value = state.answers.get(path, ("", None))
        issuer = f"http://127.0.0.1:{self.server.server_address[1]}"
        usual: Any = {"keys": [key.as_dict(private=False) for key in state.keys]}
        if path == METADATA:
            usual = {"issuer": issuer, "jwks_uri": issuer + KEYS, "token_endpoint": issuer + "/token"}
        if behaviour == "huge":
            self._send_huge()
        elif behaviour == "drip":
            self._drip()
        elif behaviour == "status":
            self._send(b"{}", status=value, location=issuer + KEYS)
        elif behaviour == "text":
            self._send(value.encode())
        elif behaviour == "fields":
            self._send(json.dumps({**usual, **value}).encode())
        else:
            self._send(json.dumps(usual).encode())

    def do_POST(self) -> None:
        """Carry out a command of the test."""
        state = self.state
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer: Any = {}
        if self.path == "/-/token":
            answer = {"token": state.token(**content)}
        elif self.path == "/-/rotate":
            state.rotate(**content)
        elif self.path == "/-/counts":
            answer = state.counts
        else:
            with state.changed:
                state.answers[content["path"]] = (content["behaviour"], content["value"])
                state.changed.notify_all()
        self._send(json.dumps(answer).encode())

    def _send(self, body: bytes, *, status: int = 200, location: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(body)

    def _send_huge(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(HUGE_BYTES))
        self.end_headers()
        with suppress(OSError):
            for _ in range(HUGE_BYTES >> 16):
                self.wfile.write(b" " * (1 << 16))
                self.state.counts["huge"] += 1 << 16
        self.close_connection = True

    def _drip(self) -> None:
        """Send a head without an end, a byte at a time."""
        with suppress(OSError):
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
            while self.state.answers[self.path][0] == "drip":
                self.wfile.write(b"a")
                with self.state.changed:
                    self.state.changed.wait(0.02)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _main() -> None:
    _Handler.state = _State()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    _main()
