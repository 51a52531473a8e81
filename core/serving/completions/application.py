"""The ASGI application of one model for programs on this machine."""

import time
from collections.abc import Callable

import msgspec

from core.errors import RefusedError
from core.local_callers import LocalCallers
from core.serving.asgi import NotedSend, Receive, Scope, Send, headers_of, read_body, send_json
from core.serving.completions.answers import SYNTHETIC, CompletionAnswers
from core.serving.completions.requests import failure, read_request, told, unknown_path
from core.serving.crowd import Crowd
from core.serving.errors import NoSuchPathError, ServingError, WrongMethodError, status_of
from core.serving.limits import ServingLimits
from core.text.model_folder import TextModel

_METHODS = {"/health": "GET", "/v1/models": "GET", "/v1/completions": "POST"}


class NotLocalError(ServingError, RefusedError):
    """The caller is no program on this machine."""

    status = 403

    def __init__(self) -> None:
        super().__init__("This server answers programs on its own machine alone.")


class CompletionServer:
    """Serves one model."""

    def __init__(
        self,
        model: TextModel,
        name: str,
        *,
        limits: ServingLimits | None = None,
        clock: Callable[[], float] = time.time,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare.

        Args:
            model: The model.
            name: Its name for callers.
            limits: On connections, bodies, waiting requests and the time of an answer.
            clock: The time of day.
            seconds: The time that limits an answer.
        """
        self.limits = limits or ServingLimits(body_bytes=1 << 20)
        self.crowd = Crowd(self.limits.connections, self.limits.connections_by_peer)
        self._model, self._name = model, name
        self._local = LocalCallers()
        self._answers = CompletionAnswers(self.limits, clock=clock, seconds=seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        if scope["type"] != "http":
            return
        noted = NotedSend(send)
        try:
            await self._answer(scope, receive, noted)
        except Exception as error:
            if noted.has_begun:
                raise  # a stream that has begun ends with its connection
            status = status_of(error := told(error))
            await send_json(send, status, failure(str(error), status), headers=(SYNTHETIC,))

    def close(self) -> None:
        """Write no more: the documents that are being written end."""
        self._answers.close()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers, path, method = headers_of(scope), scope["path"], scope["method"]
        client = scope.get("client")
        if client is None or not self._local.is_local(headers, client[0]):
            raise NotLocalError
        if path not in _METHODS:
            raise NoSuchPathError(unknown_path(path))
        if method != _METHODS[path]:
            raise WrongMethodError(f"{path} takes {_METHODS[path]}.")
        if path == "/health":
            await send_json(send, 200, b'{"status":"ok"}')
        elif path == "/v1/models":
            listed = [{"id": self._name, "object": "model", "created": 0, "owned_by": "bondx"}]
            await send_json(send, 200, msgspec.json.encode({"object": "list", "data": listed}))
        else:
            asked = read_request(await read_body(receive, headers, self.limits), self._name)
            await self._answers.answer(self._model, self._name, asked, receive, send)
