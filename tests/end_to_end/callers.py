"""Cheap HTTP clients that never stop asking: one thread a model, one kept connection each."""

import http.client
import json
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

from tests.waiting import PATIENCE_SECONDS

PACE_SECONDS = 0.002  # leaves the two cores of a small machine something for everybody else
REPORT_EVERY = 50


class Caller:
    """Asks for predictions, and reports what turned out to be true of them.

    Attributes:
        n_asked: Requests made.
        n_answered: Requests with an answer.
        latest: The versions that gave the latest answers.
        failures: Requests without a good answer, while the server was said to be up.
        accepted: Ids of requests whose outcome the server has accepted.
    """

    def __init__(self, port: int, token: str, model: str, flats: Sequence[Any]) -> None:
        self.model = model
        self.n_answered = 0
        self.n_asked = 0
        self.latest: deque[str] = deque(maxlen=1_000)
        self.failures: list[str] = []
        self.accepted: list[str] = []
        self._server: object | None = object()  # each life of the server is another; None while it is not said to be up
        self._port = port
        self._headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
        self._flats = [(flat.body, flat.rent) for flat in flats]
        self._path = f"/api/v1/predict/{model}"
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        self._unreported: list[dict[str, Any]] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"caller-{model}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def server_is_up(self) -> None:
        self._server = object()

    def server_is_going(self) -> None:
        self._server = None

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(PATIENCE_SECONDS)
        self._connection.close()

    def _run(self) -> None:
        while not self._stopping.wait(PACE_SECONDS):
            self._ask()
            if len(self._unreported) >= REPORT_EVERY:
                self._report()

    def _ask(self) -> None:
        body, rent = self._flats[self.n_asked % len(self._flats)]
        self.n_asked += 1
        request_id = f"{self.model}-{self.n_asked}"
        answer = self._send(self._path, body, {"x-request-id": request_id})
        if answer is not None:
            self.n_answered += 1
            self.latest.append(answer["version"])
            self._unreported.append({"request_id": request_id, "actual": rent})

    def _report(self) -> None:
        body = json.dumps({"outcomes": self._unreported}).encode()
        if self._send("/api/v1/outcomes", body, {}) is not None:
            self.accepted += [outcome["request_id"] for outcome in self._unreported]
            self._unreported = []

    def _send(self, path: str, body: bytes, headers: dict[str, str]) -> Any:
        asked = self._server
        try:
            self._connection.request("POST", path, body, {**self._headers, **headers})
            answer = self._connection.getresponse()
            content = answer.read()
            problem = "" if answer.status < 300 else f"{answer.status} {content[:200]!r}"
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            problem = repr(error)
        if not problem:
            return json.loads(content)
        if asked is not None and self._server is asked:
            self.failures.append(f"{time.monotonic():.3f} {path}: {problem}")
        return None
