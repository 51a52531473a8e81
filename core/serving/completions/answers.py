"""Completions at once or streamed: written in threads, a few at a time and each for a limited time."""

import asyncio
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from math import floor
from typing import Any, TypeVar

import msgspec

from core.serving.asgi import Receive, Send, send_json
from core.serving.completions.requests import LEFT, TIME, CompletionRequest, choice, completion, usage
from core.serving.errors import UnavailableError
from core.serving.limits import ServingLimits
from core.serving.shown_json import shown_json
from core.text.model_folder import TextModel
from core.text.sampling import TextWriter, WrittenText

log = logging.getLogger(__name__)

T = TypeVar("T")
SYNTHETIC = (b"x-synthetic", b"true")
_SEED_BITS = 31
_DONE = b"data: [DONE]\n\n"

AnswerFields = tuple[tuple[bytes, bytes], ...]


class CompletionAnswers:
    """Writes what requests for completions ask for. Its methods belong to one event loop."""

    def __init__(
        self,
        limits: ServingLimits,
        *,
        clock: Callable[[], float] = time.time,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare.

        Args:
            limits: On waiting requests, and the time of an answer.
            clock: The time of day.
            seconds: The time that limits an answer.
        """
        self._limits, self._clock, self._seconds = limits, clock, seconds
        self._threads = ThreadPoolExecutor(limits.workers, thread_name_prefix="writing")
        self._n_writing = 0
        self._is_closed = False

    def close(self) -> None:
        """Write no more: the documents that are being written end."""
        self._is_closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)

    def threads(self) -> list[threading.Thread]:
        """List the threads that write, of which those that compute a token at this moment outlive `close`."""
        return list(self._threads._threads)

    async def answer(
        self,
        text: TextModel,
        name: str,
        asked: CompletionRequest,
        receive: Receive,
        send: Send,
        *,
        fields: AnswerFields = (),
        more: Mapping[str, Any] | None = None,
    ) -> list[WrittenText]:
        """Answer a request.

        Args:
            text: The model.
            name: Its name for the caller.
            asked: The request.
            receive: Tells when the caller leaves.
            send: Sends the answer.
            fields: Further header fields.
            more: Further fields of the answer, and of each event of a stream.
        Returns:
            What was written.
        Raises:
            UnavailableError: Too many requests wait.
        """
        if self._n_writing >= self._limits.waiting_batches:
            raise UnavailableError("Too many documents are being written. Ask again later.")
        self._n_writing += 1
        frame = _Frame(f"cmpl-{uuid.uuid4().hex}", floor(self._clock()), name, more or {}, text.banner)
        try:
            if asked.stream:
                return await self._stream(text, asked, frame, receive, send, fields)
            return await self._complete(text, asked, frame, receive, send, fields)
        finally:
            self._n_writing -= 1

    async def _complete(
        self,
        text: TextModel,
        asked: CompletionRequest,
        frame: "_Frame",
        receive: Receive,
        send: Send,
        fields: AnswerFields,
    ) -> list[WrittenText]:
        """Send the whole documents; a caller that leaves ends the writing."""
        loop, until = asyncio.get_running_loop(), self._seconds() + self._limits.answer_seconds
        leaving = asyncio.ensure_future(_left(receive))

        def is_over() -> bool:
            return self._is_closed or leaving.done() or self._seconds() >= until

        try:
            written = [
                await loop.run_in_executor(self._threads, _written, writer, is_over) for writer in _writers(text, asked)
            ]
            has_left = leaving.done()
        finally:
            leaving.cancel()
        before = asked.prompt if asked.echo else ""
        choices = [choice(place, before + each.text, each.finish) for place, each in enumerate(written)]
        # A long prompt takes its time, and other requests must not wait for it.
        counts = usage(len(await asyncio.to_thread(text.tokenizer.encode, asked.prompt)), written)
        body = shown_json(msgspec.json.encode(frame.of(choices) | {"usage": counts}))
        await send_json(send, 200, body, headers=(SYNTHETIC, *fields))
        return [_left_unended(each) for each in written] if has_left else written

    async def beside(self, work: Callable[[], T]) -> T | None:
        """Do something in a thread that would write, and return its result; None if none is free."""
        if self._n_writing >= self._limits.workers or self._is_closed:
            return None
        self._n_writing += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._n_writing -= 1

    async def _stream(
        self,
        text: TextModel,
        asked: CompletionRequest,
        frame: "_Frame",
        receive: Receive,
        send: Send,
        fields: AnswerFields,
    ) -> list[WrittenText]:
        """Send each piece as soon as it is written; a caller that leaves, or takes no more of it, ends the writing."""
        (writer,) = _writers(text, asked)
        loop, until = asyncio.get_running_loop(), self._seconds() + self._limits.answer_seconds

        def event(piece: str, finish: str | None) -> bytes:
            return b"data: " + shown_json(msgspec.json.encode(frame.of([choice(0, piece, finish)]))) + b"\n\n"

        taking = 0.0

        async def tell(content: bytes, *, is_last: bool = False) -> None:
            nonlocal taking
            begin = self._seconds()
            async with asyncio.timeout(self._limits.answer_seconds):
                await send({"type": "http.response.body", "body": content, "more_body": not is_last})
            taking += self._seconds() - begin

        has_left = False
        leaving = asyncio.ensure_future(_left(receive))
        try:
            head = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store"), SYNTHETIC, *fields]
            await send({"type": "http.response.start", "status": 200, "headers": head})
            if asked.echo and asked.prompt:
                await tell(event(asked.prompt, None))
            pieces, given = iter(writer), list[str]()
            finish = TIME
            while self._seconds() < until and not leaving.done():
                piece = await loop.run_in_executor(self._threads, next, pieces, None)
                if piece is None:
                    finish = writer.written.finish
                    break
                given.append(piece)
                if piece:
                    await tell(event(piece, None))
            has_left = leaving.done() or taking > self._limits.answer_seconds / 2
            await tell(event("", finish) + _DONE, is_last=True)
        except TimeoutError:
            has_left = True
            log.warning("a caller took nothing of its text for %g s, and is told no more", self._limits.answer_seconds)
        finally:
            leaving.cancel()
        if finish != TIME:
            return [writer.written]
        unended = _unended(given, writer)
        return [_left_unended(unended) if has_left else unended]


class _Frame(msgspec.Struct, frozen=True):
    """What all parts of one answer have in common."""

    identifier: str
    created: int
    name: str
    more: Mapping[str, Any]
    notice: str

    def of(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return completion(self.identifier, self.created, self.name, choices, notice=self.notice) | dict(self.more)


def _writers(text: TextModel, asked: CompletionRequest) -> list[TextWriter]:
    options = asked.options(uuid.uuid4().int >> (128 - _SEED_BITS))
    return [
        TextWriter(text.model, text.tokenizer, options, prompt=asked.prompt, number=number) for number in range(asked.n)
    ]


def _written(writer: TextWriter, is_over: Callable[[], bool]) -> WrittenText:
    pieces: list[str] = []
    going: Iterator[str] = iter(writer)
    for piece in going:
        pieces.append(piece)
        if is_over():
            return _unended(pieces, writer)
    return writer.written


def _unended(pieces: Iterable[str], writer: TextWriter) -> WrittenText:
    return WrittenText(text="".join(pieces), n_tokens=writer.n_drawn, finish=TIME, nats=0.0)


def _left_unended(written: WrittenText) -> WrittenText:
    return msgspec.structs.replace(written, finish=LEFT) if written.finish == TIME else written


async def _left(receive: Receive) -> Any:
    """Return once the caller has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        continue
