"""The ASGI application: completions at once or streamed, written in threads, a few at a time and for a limited time."""

import asyncio
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from math import floor
from typing import Any

import msgspec

from core.errors import CoreError, RefusedError
from core.local_callers import LocalCallers
from core.serving.asgi import Receive, Scope, Send, headers_of, read_body, send_json
from core.serving.completions.requests import (
    CompletionRequest,
    choice,
    completion,
    failure,
    read_request,
    unknown_path,
    usage,
)
from core.serving.crowd import Crowd
from core.serving.errors import NoSuchPathError, ServingError, UnavailableError, WrongMethodError, status_of
from core.serving.limits import ServingLimits
from core.text.model_folder import TextModel
from core.text.sampling import TextWriter, WrittenText

_METHODS = {"/health": "GET", "/v1/models": "GET", "/v1/completions": "POST"}
_SYNTHETIC = (b"x-synthetic", b"true")
_SEED_BITS = 31
_DONE = b"data: [DONE]\n\n"


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
        self._clock, self._seconds = clock, seconds
        self._local = LocalCallers()
        self._threads = ThreadPoolExecutor(self.limits.workers, thread_name_prefix="writing")
        self._n_writing = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        if scope["type"] != "http":
            return
        try:
            await self._answer(scope, receive, send)
        except CoreError as error:
            status = status_of(error)
            await send_json(send, status, failure(str(error), status), headers=(_SYNTHETIC,))

    def close(self) -> None:
        """Let the documents that are being written be the last ones."""
        self._threads.shutdown(wait=False, cancel_futures=True)

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
            if self._n_writing >= self.limits.waiting_batches:
                raise UnavailableError("Too many documents are being written. Ask again later.")
            self._n_writing += 1
            try:
                await (self._stream(asked, receive, send) if asked.stream else self._complete(asked, send))
            finally:
                self._n_writing -= 1

    async def _complete(self, asked: CompletionRequest, send: Send) -> None:
        writers, n_prompt = self._writers(asked)
        loop, until = asyncio.get_running_loop(), self._seconds() + self.limits.answer_seconds
        written = [await loop.run_in_executor(self._threads, self._written, writer, until) for writer in writers]
        before = asked.prompt if asked.echo else ""
        choices = [choice(place, before + each.text, each.finish) for place, each in enumerate(written)]
        answer = completion(_identifier(), floor(self._clock()), self._name, choices)
        body = msgspec.json.encode(answer | {"usage": usage(n_prompt, written)})
        await send_json(send, 200, body, headers=(_SYNTHETIC,))

    async def _stream(self, asked: CompletionRequest, receive: Receive, send: Send) -> None:
        """Send each piece as soon as it is written; a caller that leaves ends the writing."""
        (writer,), _ = self._writers(asked)
        loop, until = asyncio.get_running_loop(), self._seconds() + self.limits.answer_seconds
        identifier, created = _identifier(), floor(self._clock())

        def event(text: str, finish: str | None) -> bytes:
            answer = completion(identifier, created, self._name, [choice(0, text, finish)])
            return b"data: " + msgspec.json.encode(answer) + b"\n\n"

        leaving = asyncio.ensure_future(_left(receive))
        try:
            fields = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store"), _SYNTHETIC]
            await send({"type": "http.response.start", "status": 200, "headers": fields})
            if asked.echo and asked.prompt:
                await send({"type": "http.response.body", "body": event(asked.prompt, None), "more_body": True})
            pieces = iter(writer)
            finish = "length"
            while self._seconds() < until and not leaving.done():
                piece = await loop.run_in_executor(self._threads, next, pieces, None)
                if piece is None:
                    finish = writer.written.finish
                    break
                await send({"type": "http.response.body", "body": event(piece, None), "more_body": True})
            await send({"type": "http.response.body", "body": event("", finish) + _DONE})
        finally:
            leaving.cancel()

    def _writers(self, asked: CompletionRequest) -> tuple[list[TextWriter], int]:
        model, tokenizer = self._model.model, self._model.tokenizer
        options = asked.options(uuid.uuid4().int >> (128 - _SEED_BITS))
        writers = [
            TextWriter(model, tokenizer, options, prompt=asked.prompt, number=number) for number in range(asked.n)
        ]
        return writers, len(tokenizer.encode(asked.prompt))

    def _written(self, writer: TextWriter, until: float) -> WrittenText:
        pieces: list[str] = []
        going: Iterator[str] = iter(writer)
        for piece in going:
            pieces.append(piece)
            if self._seconds() >= until:
                return WrittenText(text="".join(pieces), n_tokens=len(pieces), finish="length", nats=0.0)
        return writer.written


def _identifier() -> str:
    return f"cmpl-{uuid.uuid4().hex}"


async def _left(receive: Receive) -> Any:
    """Return once the caller has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        continue
