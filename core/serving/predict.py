"""Predicting: from the bytes of a request to an answer, in as few steps as possible.

There are two paths. The fast path (`try_inline`) never waits and creates no task: it accepts complete requests of few
rows to loaded fast models, which is nearly all requests, and declines the rest. The slow path (`answer`) is an ordinary
ASGI application and accepts every request: bodies in pieces, batches for the worker threads, slow models, versions that
must be loaded first, and every refusal.
"""

import asyncio
import itertools
import logging
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from core.access import VerbClass
from core.errors import CoreError
from core.serving.asgi import REQUEST_ID, Receive, Scope, Send, headers_of, read_body, send_json
from core.serving.authenticator import Authenticator, Caller, Headers
from core.serving.dialects import DIALECTS, Answered, Dialect, ReadRequest
from core.serving.errors import (
    BadRequestError,
    CallerFaultError,
    ForbiddenError,
    ServingError,
    TookTooLongError,
    TooLargeError,
    UnauthenticatedError,
    UnavailableError,
    status_of,
)
from core.serving.limits import ServingLimits
from core.serving.loading import Loader
from core.serving.recording import PredictionRecorder
from core.serving.shown_json import shown_json
from core.serving.stats import ServerStats
from core.serving.table import Assignment, LoadedVersion, ServedModel, ServingTable, Speech
from core.telemetry.predictions import Arm, PromptRecord, TextCounts, request_number

if TYPE_CHECKING:
    from core.serving.traces import RequestTraces

log = logging.getLogger(__name__)

MAX_ID = 128
INLINE_BYTES = 64 << 10  # larger bodies are parsed by a worker, so that small bodies do not wait behind them

CallerAddress = tuple[str, int] | None


class Target(NamedTuple):
    """The target of a predict path: a dialect, a model, and optionally a version or label."""

    dialect: Dialect
    model: str | None  # None: the only live model
    version: str | None = None
    label: str | None = None


class PredictReply(NamedTuple):
    """An answer to send."""

    speech: Speech
    request_id: str
    body: bytes

    @property
    def start(self) -> bytes:
        """The start of an HTTP/1.1 answer."""
        return self.speech.start if type(self.body) is bytes else self.speech.start_of(self.body)


class Predictor:
    """Answers predict requests from its current table."""

    def __init__(
        self, authenticator: Authenticator, recorder: PredictionRecorder, stats: ServerStats, limits: ServingLimits
    ) -> None:
        self._authenticator = authenticator
        self._recorder = recorder
        self._stats = stats
        self.limits = limits
        self._pool = ThreadPoolExecutor(limits.workers, "serving-batch", initializer=quiet_arithmetic)
        self._n_waiting = 0
        self._shadows: set[asyncio.Task[None]] = set()  # the event loop itself keeps no reference to its tasks
        self._id_prefix = secrets.token_hex(6)
        self._id_numbers = itertools.count(1)
        self.table = ServingTable()
        self.loader: Loader | None = None
        self.traces: RequestTraces | None = None
        """Who makes spans of requests; None while the settings want none."""

    def try_inline(
        self, target: Target, headers: Headers, client: CallerAddress, content: bytes
    ) -> PredictReply | None:
        """Answer a complete request without waiting; None if that is impossible or the request must be refused."""
        begin = time.perf_counter()
        dialect = target.dialect
        try:
            caller = self._authenticator.admit(headers, client, takes=VerbClass.VIEW, is_read=True)
            given = _given_id(headers)
            own = given or self.new_id()
            served = self._served(target)
            if caller.asks_by_grant:
                self._authenticator.require_to_ask(caller, served.model)
            assignment = self._assigned(target, served, headers, given, caller)
            if assignment is None or not assignment.version.scorer.is_fast:
                return None
            content = dialect.framed(headers, content)
            if not caller.has_token and assignment.rollout_id is not None and served.routing is not None:
                assignment = served.routing.comparing(assignment, dialect, content)
            version = assignment.version
            asked = version.speech(dialect).read(content)
            dialect.require(asked, version.conformal)
            if not 0 < len(asked.rows) <= self.limits.inline_rows:
                return None
            values = _answers(version, asked)
            request_id = _checked_id(asked.request_id, dialect.id_field) or own
            _log_route(request_id, assignment)
        except Exception:  # the slow path meets the same error and answers it
            return None
        reply = self._reply(
            dialect, assignment, asked, values, request_id, begin, content, is_stranger=not caller.has_token
        )
        if (traces := self.traces) is not None:
            traces.answered(headers, dialect.name, assignment, len(values), begin)
        return reply

    async def answer(self, target: Target, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer any request over HTTP."""
        headers: Headers = headers_of(scope)
        dialect = target.dialect
        try:
            caller = await self.admit(headers, scope["client"])
            content = dialect.framed(headers, await read_body(receive, headers, self.limits))
            reply = await self.reply(target, headers, caller, content, scope[REQUEST_ID])
        except Exception as error:
            log.debug("%s: refused: %s", scope[REQUEST_ID], type(error).__name__)  # its text may quote the row
            refused = self.refused(target, error)
            await send_json(send, status_of(refused), dialect.refusal(refused), content_type=dialect.content_type)
            return
        fields = [
            *reply.speech.fields(reply.body),
            (b"x-request-id", reply.request_id.encode()),
            (b"content-length", b"%d" % len(reply.body)),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": reply.body})

    async def text_assignment(
        self, model: str, version: str | None, label: str | None, caller: Caller, headers: Headers, user: str
    ) -> Assignment:
        """Return the route of an admitted request for texts, its version loaded if need be.

        Args:
            model: The model.
            version: The version, if the request names one.
            label: The label, if it names one.
            caller: Who asks.
            headers: By lower-case name.
            user: Whom the request is for, if it says so: it sticks to a version, as `x-bondx-key` does before it.
        Raises:
            UnknownVersionError: There is no such model, version or label.
            UnavailableError: It cannot answer now.
            UnauthenticatedError: It is not loaded, and the caller has no token.
        """
        target = Target(DIALECTS[0], model, version, label)  # the dialect matters only where no model is named
        served = self._served(target)
        if user and b"x-bondx-key" not in headers:
            headers = {**headers, b"x-bondx-key": user.encode()}
        found = self._assigned(target, served, headers, _given_id(headers), caller)
        if found is None:
            return await self._loaded(target, served, caller)
        if found.rollout_id is not None and not caller.has_token and served.routing is not None:
            # A prompt on which one version fails is easily found, and its sender could decide the rollout with it.
            return served.routing.stable_alone
        return found

    def wrote(
        self,
        request_id: str,
        assignment: Assignment,
        seconds: float,
        texts: TextCounts | None,
        *,
        prompt: PromptRecord | None = None,
        error: bool = False,
    ) -> None:
        """Record how a request for texts was answered, as `PredictionRecorder.wrote` does."""
        self._recorder.wrote(request_id, assignment, seconds, texts, prompt=prompt, error=error)

    async def admit(self, headers: Headers, client: CallerAddress) -> Caller:
        """Admit a predict request, or raise the reason for refusing it."""
        return await self._authenticator.admit_waiting(headers, client, takes=VerbClass.VIEW, is_read=True)

    async def require_to_ask(self, caller: Caller, model: str) -> None:
        """Refuse an admitted caller whose grants do not cover a model; the audit log has the refusal.

        Raises:
            ForbiddenError: No role of the caller allows it to ask this model.
        """
        try:
            self._authenticator.require_to_ask(caller, model)
        except ForbiddenError as refusal:
            await asyncio.to_thread(self._authenticator.record, refusal)  # the disk must not keep others waiting
            raise

    async def reply(
        self, target: Target, headers: Headers, caller: Caller, content: bytes, request_id: str
    ) -> PredictReply:
        """Answer any admitted request, whatever has carried it.

        Args:
            target: Its target.
            headers: By lower-case name.
            caller: Who asks.
            content: What the dialect reads.
            request_id: Of a request that brings no id of its own.
        Raises:
            Exception: To be passed to `refused`.
        """
        begin = time.perf_counter()  # the time a request takes to arrive says nothing about the version
        dialect = target.dialect
        try:
            given = _given_id(headers)
            own: str = given or request_id
            served = self._served(target)
            if caller.asks_by_grant:
                await self.require_to_ask(caller, served.model)
            assignment = self._assigned(target, served, headers, given, caller)
            if assignment is None:
                assignment = await self._loaded(target, served, caller)
            if not caller.has_token and assignment.rollout_id is not None and served.routing is not None:
                asks = served.routing.comparing, assignment, dialect, content
                assignment = asks[0](*asks[1:]) if len(content) <= INLINE_BYTES else await self._in_worker(*asks)
            asked, values, assignment = await self._scored(
                dialect, assignment, content, own, begin, is_stranger=not caller.has_token
            )
            request_id = _checked_id(asked.request_id, dialect.id_field) or own
            _log_route(request_id, assignment)
            reply = self._reply(
                dialect, assignment, asked, values, request_id, begin, content, is_stranger=not caller.has_token
            )
            if (traces := self.traces) is not None:
                traces.answered(headers, dialect.name, assignment, len(values), begin)
            return reply
        except Exception as error:
            if (traces := self.traces) is not None:
                traces.failed(headers, dialect.name, error, begin)
            raise

    def refused(self, target: Target, error: Exception) -> CoreError:
        """Count and log a request that gets no answer; return what its caller is told."""
        if not isinstance(error, CoreError):
            log.error("a request to %s could not be answered", target.model or "the only model", exc_info=error)
            error = ServingError("The model failed on this request; see the server log for details.")
        self.count_refused(target.dialect.name, status_of(error))
        return error

    def count_refused(self, dialect: str, status: int) -> None:
        """Count a request that gets no answer."""
        self._stats.refused[dialect, status] += 1

    def close(self) -> None:
        """Release the workers; waiting batches are cancelled."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def threads(self) -> list[threading.Thread]:
        """List its workers, of which those that compute at this moment outlive `close`."""
        return list(self._pool._threads)

    def new_id(self) -> str:
        """Return the id of a request that came without one."""
        return f"{self._id_prefix}-{next(self._id_numbers):x}"

    def _served(self, target: Target) -> ServedModel:
        if target.model is not None:
            return self.table.model(target.model)
        return self.table.only_model(target.dialect.predict_path)

    def _assigned(
        self, target: Target, served: ServedModel, headers: Headers, given: str | None, caller: Caller
    ) -> Assignment | None:
        """Find the version that must answer; None if it is not loaded.

        A caller without a token has no identity: its key and its request id could be chosen to fall on one
        side of a rollout, so each of its requests is routed by a number of our own.
        """
        if target.version is None and target.label is None:
            key = headers.get(b"x-bondx-key") if caller.has_token else None
            if served.routing is None:
                alone = served.answering().alone
                return alone if key is None else alone._replace(unit=request_number(key.decode("latin-1")))
            own = given if given is not None and caller.has_token else secrets.token_hex(8)
            return served.routing.assign(key.decode("latin-1") if key else None, own)
        found = served.versions.get(_number(target, served))
        return None if found is None else found.alone

    async def _loaded(self, target: Target, served: ServedModel, caller: Caller) -> Assignment:
        """Load the version that a request names."""
        number = _number(target, served)
        if not caller.has_token:
            if (why := served.why_not_loaded(number)) is not None:
                raise UnavailableError(f"{served.model} {number} is not ready: {why}.")
            raise UnauthenticatedError(
                f"{served.model} {number} is not loaded, and loading it on demand requires a token: send "
                "`Authorization: Bearer TOKEN`."
            )
        if self.loader is None:
            raise UnavailableError(f"{served.model} {number} is not loaded.")
        wish = asyncio.wrap_future(self.loader.ask_for(served.model, number))
        try:
            found = await asyncio.wait_for(wish, self.limits.answer_seconds)
        except TimeoutError:
            raise TookTooLongError(f"Loading {served.model} {number}", self.limits.answer_seconds) from None
        return found.alone

    async def _scored(
        self,
        dialect: Dialect,
        assignment: Assignment,
        content: bytes,
        request_id: str,
        begin: float,
        *,
        is_stranger: bool,
    ) -> tuple[ReadRequest, list[Any], Assignment]:
        """Let the version answer and, if it fails, its fallback.

        A request that a candidate refuses and the stable version answers also counts as a failure of the candidate,
        unless its caller has no token: a stranger could send many of them, and the candidate would be rolled back. A
        shadow receives requests even if the stable version fails on them: judged by answered requests alone, the stable
        version would never fail.
        """
        version, fallback = assignment.version, assignment.fallback
        failure: Exception
        try:
            return *await self._score(dialect, version, content), assignment
        except (TooLargeError, UnavailableError):
            raise
        except CallerFaultError:  # the other version may still have an answer, but neither is at fault
            if fallback is None:
                raise
            return *await self._score(dialect, fallback, content), fallback.alone
        except CoreError as error:
            if fallback is None and not isinstance(error, TookTooLongError):
                raise
            failure = error
        except Exception as error:
            failure = error
        if fallback is None:
            self._note_failure(assignment, request_id, begin, failure, dialect, content)
            self._copy_to_shadow(dialect, assignment, content, request_id, is_stranger)
            raise failure
        try:
            asked, values = await self._score(dialect, fallback, content)
        except Exception:
            # The same failure would count against the stable version, so it counts against the candidate.
            if not isinstance(failure, CoreError) or isinstance(failure, TookTooLongError):
                self._note_failure(assignment, request_id, begin, failure, dialect, content)
            raise
        if not (is_stranger and isinstance(failure, BadRequestError)):
            self._note_failure(assignment, request_id, begin, failure, dialect, content)
        # Not an observation of the rollout: the request was the candidate's, and counts as its failure.
        return asked, values, fallback.alone

    async def _score(self, dialect: Dialect, version: LoadedVersion, content: bytes) -> tuple[ReadRequest, list[Any]]:
        if len(content) > INLINE_BYTES:
            found: tuple[ReadRequest, list[Any]] = await self._in_worker(
                self._read_and_answer, dialect, version, content
            )
            return found
        asked = self._read(dialect, version, content)
        if version.scorer.is_fast and len(asked.rows) <= self.limits.inline_rows:
            return asked, _answers(version, asked)
        return asked, await self._in_worker(_answers, version, asked)

    def _read_and_answer(
        self, dialect: Dialect, version: LoadedVersion, content: bytes
    ) -> tuple[ReadRequest, list[Any]]:
        asked = self._read(dialect, version, content)
        return asked, _answers(version, asked)

    def _read(self, dialect: Dialect, version: LoadedVersion, content: bytes) -> ReadRequest:
        asked = version.speech(dialect).read(content)
        n_rows, most = len(asked.rows), self.limits.rows
        if n_rows > most:
            raise TooLargeError(f"The request has {n_rows:,} rows; this server accepts at most {most:,}.")
        if n_rows == 0:
            raise BadRequestError("The request has no rows.")
        dialect.require(asked, version.conformal)
        return asked

    async def _in_worker(self, work: Any, *arguments: Any) -> Any:
        if self._n_waiting >= self.limits.waiting_batches:
            raise UnavailableError("Too many batches are waiting; retry in a moment.")
        self._n_waiting += 1
        future = asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)
        future.add_done_callback(self._one_less)
        try:
            return await asyncio.wait_for(asyncio.shield(future), self.limits.answer_seconds)
        except TimeoutError:
            future.cancel()
            raise TookTooLongError("The answer", self.limits.answer_seconds) from None

    def _one_less(self, future: "asyncio.Future[Any]") -> None:
        self._n_waiting -= 1
        if not future.cancelled():
            future.exception()  # already raised to the waiter; this call only marks it as retrieved

    def _reply(
        self,
        dialect: Dialect,
        assignment: Assignment,
        asked: ReadRequest,
        values: list[Any],
        request_id: str,
        begin: float,
        content: bytes,
        *,
        is_stranger: bool,
    ) -> PredictReply:
        """Encode the answer, count it and record it."""
        version = assignment.version
        answered = Answered(version.model, version.version, request_id, version.signature, values, version.conformal)
        body = dialect.reply(asked, answered)
        if type(body) is bytes and dialect.content_type == b"application/json":
            body = shown_json(body)  # the names of classes are a user's, too
        seconds = time.perf_counter() - begin
        version.stats.answered(seconds, len(values))
        slices = assignment.slicer.of(asked.rows) if assignment.slicer is not None else ()
        log.debug("%s: %d rows scored and answered after %.2f ms", request_id, len(values), 1000 * seconds)
        self._recorder.predicted(request_id, assignment, seconds, values, slices=slices)
        if version.tap is not None:
            version.tap.add(request_id, asked.rows, values)
        self._copy_to_shadow(dialect, assignment, content, request_id, is_stranger)
        return PredictReply(version.speech(dialect), request_id, body)

    def _copy_to_shadow(
        self, dialect: Dialect, assignment: Assignment, content: bytes, request_id: str, is_stranger: bool
    ) -> None:
        if assignment.shadow is not None:
            answering = self._answer_copy(dialect, assignment, content, request_id, is_stranger)
            task = asyncio.get_running_loop().create_task(answering)
            self._shadows.add(task)
            task.add_done_callback(self._shadows.discard)

    async def _answer_copy(
        self, dialect: Dialect, assignment: Assignment, content: bytes, request_id: str, is_stranger: bool
    ) -> None:
        """Let the version that does not answer the caller answer a copy of the request, only to record it."""
        assert assignment.shadow is not None
        shadow, begin = assignment.shadow, time.perf_counter()
        arm = Arm.STABLE_COPY if assignment.arm is Arm.CANDIDATE else Arm.SHADOW
        copy = assignment._replace(version=shadow, arm=arm, slicer=None)  # slices are recorded with the answer
        try:
            _, values = await self._score(dialect, shadow, content)
        except UnavailableError:  # under load, copies are dropped first
            shadow.stats.n_copies_dropped += 1
            return
        except CallerFaultError:
            return
        except Exception as error:
            if not (is_stranger and isinstance(error, BadRequestError)):  # as for an answer that a caller waits for
                self._note_failure(copy, request_id, begin, error, dialect, content)
            return
        shadow.stats.n_shadow += 1
        log.debug("%s: copy answered by %s %s", request_id, shadow.model, shadow.version)
        self._recorder.predicted(request_id, copy, time.perf_counter() - begin, values)

    def _note_failure(
        self,
        assignment: Assignment,
        request_id: str,
        begin: float,
        error: Exception,
        dialect: Dialect,
        content: bytes,
    ) -> None:
        """Record that a version failed on a request that it should have answered."""
        failed = assignment.version
        failed.stats.n_errors += 1
        log.error("%s %s failed on %s", failed.model, failed.version, request_id, exc_info=error)
        seconds, slices = time.perf_counter() - begin, _slices_of(assignment, dialect, content)
        self._recorder.predicted(request_id, assignment, seconds, (), error=True, slices=slices)


def quiet_arithmetic() -> None:
    """Let NumPy overflow to infinity without a warning: requests may hold any number."""
    np.seterr(all="ignore")


def _answers(version: LoadedVersion, asked: ReadRequest) -> list[Any]:
    """Compute.

    Raises:
        ArithmeticError: An answer is not a number, or is not one for each row.
        ModelEndedError: The model raised what would end the program.
        CallerFaultError: An answer is not a number, and the row is far from the training data.
    """
    answers = version.scorer.checked_answer(asked.rows)
    if not np.isfinite(answers).all():
        version.signature.check_familiar(asked.rows)
        raise ArithmeticError(f"{version.model} {version.version} returned a prediction that is not a finite number")
    for name, n in version.signature.n_unfamiliar(asked.rows).items():
        version.stats.unfamiliar[name] += n
    values: list[Any] = answers.tolist()
    return values


def _log_route(request_id: str, assignment: Assignment) -> None:
    """Log which version answers a request, and why; no row of it."""
    version = assignment.version
    log.debug(
        "%s: routed to %s %s, rollout %s, arm %s",
        request_id, version.model, version.version, assignment.rollout_id, assignment.arm,
    )  # fmt: skip


def _slices_of(assignment: Assignment, dialect: Dialect, content: bytes) -> list[int]:
    """Find the slices of a request on which its version failed: read again, since failures are few."""
    if assignment.slicer is None or len(content) > INLINE_BYTES:
        return []
    try:
        return assignment.slicer.of(assignment.version.speech(dialect).read(content).rows)
    except Exception:  # it may be what the version failed on
        return []


def _number(target: Target, served: ServedModel) -> str:
    return served.known(target.version) if target.version is not None else served.labelled(target.label or "")


def is_id(text: str) -> bool:
    """Say whether a text can identify a request.

    >>> is_id("trade-4711"), is_id(""), is_id("two\\nlines")
    (True, False, False)
    """
    return 0 < len(text) <= MAX_ID and text.isascii() and text.isprintable()


def _given_id(headers: Headers) -> str | None:
    given = headers.get(b"x-request-id")
    return None if given is None else _checked_id(given.decode("latin-1"), "x-request-id")


def _checked_id(given: str | None, field: str) -> str | None:
    """Check the id of a caller; `field` is its name in the request."""
    if not given:
        return None
    if not is_id(given):
        raise BadRequestError(f"must be at most {MAX_ID} printable ASCII characters", field=field)
    return given
