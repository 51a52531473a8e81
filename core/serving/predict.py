"""Predicting over HTTP, as a bare ASGI application: from bytes to an answer in as few steps as there can be.

Rows of fast models are answered right where requests are read; larger batches and slower models go to a few worker
threads. A failure of a rollout's candidate is recorded, and the stable version answers instead.
"""

import asyncio
import itertools
import logging
import math
import secrets
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from core.errors import CoreError
from core.serving.access import Role
from core.serving.asgi import Receive, Scope, Send, read_body, send_json
from core.serving.dialects import Answered, Asked, Dialect, refusal
from core.serving.errors import (
    BadRequestError,
    ServingError,
    TookTooLongError,
    TooLargeError,
    UnavailableError,
    status_of,
)
from core.serving.gatekeeper import Gatekeeper
from core.serving.limits import Limits
from core.serving.loading import Loader
from core.serving.recording import Recorder
from core.serving.routing import Assignment
from core.serving.stats import ServerStats
from core.serving.table import LoadedVersion, Served, ServingTable
from core.telemetry.predictions import Arm

log = logging.getLogger(__name__)

MAX_ID = 128


class Target:
    """What a path asks for: a dialect, a model, and perhaps a version or a label of it."""

    __slots__ = ("dialect", "label", "model", "version")

    def __init__(self, dialect: Dialect, model: str, version: str | None = None, label: str | None = None) -> None:
        self.dialect = dialect
        self.model = model
        self.version = version
        self.label = label


class Predictor:
    """Answers predict requests from the table it is given."""

    def __init__(self, gatekeeper: Gatekeeper, recorder: Recorder, stats: ServerStats, limits: Limits) -> None:
        self._gatekeeper = gatekeeper
        self._recorder = recorder
        self._stats = stats
        self._limits = limits
        self._pool = ThreadPoolExecutor(limits.workers, "serving-batch", initializer=quiet_arithmetic)
        self._n_waiting = 0
        self._shadows: set[asyncio.Task[None]] = set()  # the event loop itself keeps no hold of its tasks
        self._ids = (f"{secrets.token_hex(6)}-{number:x}" for number in itertools.count(1))
        self.table = ServingTable()
        self.loader: Loader | None = None

    async def answer(self, target: Target, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        begin = time.perf_counter()
        headers = dict(scope["headers"])
        dialect = target.dialect
        try:
            self._gatekeeper.admit(headers, scope["client"], at_least=Role.VIEWER, is_read=True)
            content = await read_body(receive, headers, self._limits)
            request_id = _given_id(headers)
            served = self.table.model(target.model)
            fallback_id = request_id or next(self._ids)
            assignment = await self._assign(target, served, headers, fallback_id)
            try:
                asked, values = await self._score(dialect, assignment.version, content)
            except CoreError:
                raise
            except Exception:
                self._note_failure(assignment, fallback_id, time.perf_counter() - begin)
                if assignment.fallback is None:
                    raise
                # Not an observation of the rollout's: the request was the candidate's, and counts as its failure.
                assignment = Assignment(assignment.fallback)
                asked, values = await self._score(dialect, assignment.version, content)
            request_id = request_id or _checked_id(asked.request_id) or fallback_id
        except CoreError as error:
            status = status_of(error)
            self._stats.refused[dialect.name, status] += 1
            await send_json(send, status, refusal(error))
            return
        except Exception:
            log.exception("a prediction of %s failed", target.model)
            self._stats.refused[dialect.name, 500] += 1
            await send_json(send, 500, refusal(ServingError("The model failed on this request; the log says why.")))
            return
        version = assignment.version
        body = dialect.reply(
            asked, Answered(version.model, version.version, request_id, version.signature.output, values)
        )
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [
                    *version.headers,
                    (b"x-request-id", request_id.encode()),
                    (b"content-length", b"%d" % len(body)),
                ],
            }
        )
        await send({"type": "http.response.body", "body": body})
        seconds = time.perf_counter() - begin
        version.stats.answered(seconds, len(values))
        self._recorder.predicted(request_id, assignment, seconds, values)
        if assignment.shadow is not None:
            self._shadow(dialect, assignment, content, request_id)

    def close(self) -> None:
        """Let go of the workers; batches that wait are given up."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _assign(
        self, target: Target, served: Served, headers: Mapping[bytes, bytes], request_id: str
    ) -> Assignment:
        """Find the version that is to answer."""
        if target.version is None and target.label is None:
            if served.routing is not None:
                key = headers.get(b"x-bondx-key")
                return served.routing.assign(key.decode("latin-1") if key else None, request_id)
            return Assignment(served.answering())
        number = served.labelled(target.label) if target.label is not None else served.known(target.version or "")
        found = served.versions.get(number)
        if found is None:
            if self.loader is None:
                raise UnavailableError(f"{served.model} {number} is not loaded.")
            wish = asyncio.wrap_future(self.loader.ask_for(served.model, number))
            try:
                found = await asyncio.wait_for(wish, self._limits.answer_seconds)
            except TimeoutError:
                raise TookTooLongError(f"Loading {served.model} {number}", self._limits.answer_seconds) from None
        return Assignment(found)

    async def _score(self, dialect: Dialect, version: LoadedVersion, content: bytes) -> tuple[Asked, list[Any]]:
        limits = self._limits
        asked = version.reader(dialect)(content)
        n_rows = len(asked.rows)
        if not 0 < n_rows <= limits.rows:
            if n_rows:
                raise TooLargeError(
                    f"The request has {n_rows:,} rows; this server takes up to {limits.rows:,} at once."
                )
            raise BadRequestError("The request has no rows.")
        scorer = version.scorer
        if scorer.is_fast and n_rows <= limits.inline_rows:
            answers = scorer.answer(asked.rows)
        else:
            answers = await self._in_worker(lambda: scorer.answer(asked.rows))
        values = answers.tolist()
        if n_rows == 1 and isinstance(values[0], float):
            if not math.isfinite(values[0]):
                raise ArithmeticError(f"{version.model} {version.version} answered {values[0]}")
        elif not np.isfinite(answers).all():
            raise ArithmeticError(f"{version.model} {version.version} answered a number that is none")
        if unfamiliar := version.signature.n_unfamiliar(asked.rows):
            for name, n in unfamiliar.items():
                version.stats.unfamiliar[name] += n
        return asked, values

    async def _in_worker(self, work: Callable[[], Any]) -> Any:
        if self._n_waiting >= self._limits.waiting_batches:
            raise UnavailableError("Too many batches wait already; ask again in a moment.")
        self._n_waiting += 1
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        future.add_done_callback(self._one_less)
        try:
            return await asyncio.wait_for(asyncio.shield(future), self._limits.answer_seconds)
        except TimeoutError:
            future.cancel()
            raise TookTooLongError("The answer", self._limits.answer_seconds) from None

    def _one_less(self, future: "asyncio.Future[Any]") -> None:
        self._n_waiting -= 1
        if not future.cancelled():
            future.exception()  # whoever waited has it; nobody else need be told

    def _note_failure(self, assignment: Assignment, request_id: str, seconds: float) -> None:
        """Record that a model failed on a request that it should have answered."""
        failed = assignment.version
        failed.stats.n_errors += 1
        log.exception("%s %s failed on a request", failed.model, failed.version)
        self._recorder.predicted(request_id, assignment, seconds, (), error=True)

    def _shadow(self, dialect: Dialect, assignment: Assignment, content: bytes, request_id: str) -> None:
        """Let the shadow answer a copy of the request, for the record only."""
        assert assignment.shadow is not None
        copy = assignment._replace(version=assignment.shadow)

        async def answer_copy() -> None:
            begin = time.perf_counter()
            try:
                _, values = await self._score(dialect, copy.version, content)
            except UnavailableError:
                return
            except Exception:
                copy.version.stats.n_errors += 1
                self._recorder.predicted(request_id, copy, time.perf_counter() - begin, (), error=True, arm=Arm.SHADOW)
                return
            copy.version.stats.n_shadow += 1
            self._recorder.predicted(request_id, copy, time.perf_counter() - begin, values, arm=Arm.SHADOW)

        task = asyncio.get_running_loop().create_task(answer_copy())
        self._shadows.add(task)
        task.add_done_callback(self._shadows.discard)


def quiet_arithmetic() -> None:
    """Let numpy overflow to infinity without a warning: requests may hold any number there is."""
    np.seterr(all="ignore")


def _given_id(headers: Mapping[bytes, bytes]) -> str | None:
    given = headers.get(b"x-request-id")
    return None if given is None else _checked_id(given.decode("latin-1"))


def _checked_id(given: str | None) -> str | None:
    if not given:
        return None
    if len(given) > MAX_ID or not given.isascii() or not given.isprintable():
        raise BadRequestError(f"must be up to {MAX_ID} printable ASCII characters", field="request id")
    return given
