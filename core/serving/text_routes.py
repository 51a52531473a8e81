"""The routes of texts: a registered model of language writes at `/api/v1/generate/MODEL`, and at `/v1/completions`."""

import asyncio
import logging
import re
import threading
import time
from collections.abc import Sequence
from itertools import count
from typing import NamedTuple

from core.errors import CoreError, NotFoundError
from core.serving.asgi import REQUEST_ID, NotedSend, Receive, Scope, Send, headers_of, read_body, send_json
from core.serving.authenticator import Caller, Headers
from core.serving.completions.answers import SYNTHETIC, CompletionAnswers
from core.serving.completions.requests import LEFT, TIME, CompletionRequest, failure, read_request, told
from core.serving.dialects import refusal
from core.serving.errors import BadRequestError, ServingError, status_of
from core.serving.predict import Predictor
from core.serving.stats import TextStats
from core.serving.table import Assignment
from core.telemetry.predictions import PromptRecord, TextCounts, request_number
from core.text.sampling import WrittenText
from core.text.traffic import TextFacts, TextGauge

log = logging.getLogger(__name__)

COMPLETIONS, GENERATE = "/v1/completions", "/api/v1/generate/{which}"
_DIALECT = "texts"  # in the metrics
_CUT = ("length", TIME)
_PART = r"[^/:]+"
WHICH = rf"(?P<model>{_PART})(?:/versions/(?P<version>{_PART})|/labels/(?P<label>{_PART}))?"
_GENERATE = re.compile(GENERATE.replace("{which}", WHICH))


class NoLanguageModelError(ServingError, NotFoundError):
    """A request names no model, and no model of language is live."""

    status = 404

    def __init__(self) -> None:
        super().__init__("No model of language is live: bondx text register makes a version; promote it.")


class TextTarget(NamedTuple):
    """Who is to write."""

    model: str | None = None  # None: the request names it
    version: str | None = None
    label: str | None = None


class _TextRequest(NamedTuple):
    """A request that was admitted and read."""

    number: str
    asked: CompletionRequest
    receive: Receive
    send: NotedSend
    caller: int  # whose prompts are alike


class _Answered(NamedTuple):
    """A request that has its answer, and is recorded once its prompt is measured."""

    number: str
    assignment: Assignment
    seconds: float
    texts: TextCounts


class TextRoutes:
    """Answers requests for texts from the versions that are served."""

    def __init__(self, predictor: Predictor) -> None:
        """Prepare; the limits are those of predictions."""
        self._predictor = predictor
        self._answers = CompletionAnswers(predictor.limits)
        self._measuring: set[asyncio.Task[None]] = set()
        self._numbers = count()
        self._unrecorded: dict[int, _Answered] = {}  # by a number of their own; the last ones are recorded at the end

    def close(self) -> None:
        """Write no more: the documents that are being written end."""
        self._answers.close()
        for number in list(self._unrecorded):
            self._record(number, None)

    def threads(self) -> list[threading.Thread]:
        """List the threads that write."""
        return self._answers.threads()

    def target(self, path: str) -> TextTarget | None:
        """Return who is to write at a path; None for any other path."""
        if path == COMPLETIONS:
            return TextTarget()
        found = _GENERATE.fullmatch(path)
        return None if found is None else TextTarget(found["model"], found["version"], found["label"])

    async def answer(self, target: TextTarget, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        noted = NotedSend(send)
        try:
            await self._written(target, scope, receive, noted)
        except Exception as error:
            if noted.has_begun:
                raise  # a stream that has begun ends with its connection
            error = told(error)
            status = status_of(error)
            self._predictor.count_refused(_DIALECT, status)
            body = failure(str(error), status) if target.model is None else refusal(error)
            await send_json(send, status, body, headers=(SYNTHETIC,))

    async def _written(self, target: TextTarget, scope: Scope, receive: Receive, send: NotedSend) -> None:
        headers = headers_of(scope)
        caller = await self._predictor.admit(headers, scope["client"])
        asked = read_request(await read_body(receive, headers, self._predictor.limits), target.model)
        name = target.model or asked.model or self._only_model()
        await self._predictor.require_to_ask(caller, name)
        assignment = await self._predictor.text_assignment(
            name, target.version, target.label, caller, headers, asked.user
        )
        request = _TextRequest(scope[REQUEST_ID], asked, receive, send, caller_number(caller, headers, asked.user))
        try:
            await self._write(assignment, request)
        except CoreError:
            raise
        except Exception as failure:
            if assignment.fallback is None or send.has_begun:
                raise
            log.error("%s: the candidate failed; the stable version writes", request.number, exc_info=failure)
            await self._write(assignment.fallback.alone, request)

    async def _write(self, assignment: Assignment, request: "_TextRequest") -> None:
        """Let a version write, and count and record what came of it."""
        found, asked = assignment.version, request.asked
        if (text := found.scorer.text) is None or (gauge := found.scorer.gauge) is None:
            raise BadRequestError(
                f"{found.model} {found.version} answers rows, and writes no texts: POST /api/v1/predict/{found.model}."
            )
        begin, taken = time.perf_counter(), request.send.seconds_taken
        fields = ((b"x-bondx-model", found.model.encode()), (b"x-bondx-version", found.version.encode()))
        more = {"version": found.version}
        try:
            written = await self._answers.answer(
                text, found.model, asked, request.receive, request.send, fields=fields, more=more
            )
        except CoreError:
            raise
        except Exception:
            found.stats.n_errors += 1
            self._predictor.wrote(request.number, assignment, time.perf_counter() - begin, None, error=True)
            raise
        # The time in which a caller takes its text says nothing about the version.
        seconds = time.perf_counter() - begin - (request.send.seconds_taken - taken)
        found.stats.answered(seconds, asked.n)
        found.stats.texts = counted = found.stats.texts or TextStats()
        counted.wrote(written)
        facts = await _facts(gauge, asked.prompt, written)
        counted.judged(facts)
        answered = _Answered(request.number, assignment, seconds, counts_of(asked, written, facts))
        self._unrecorded[number := next(self._numbers)] = answered
        measuring = asyncio.create_task(self._measure(number, request, counted, gauge))
        self._measuring.add(measuring)  # the loop itself keeps no task alive
        measuring.add_done_callback(self._measuring.discard)

    async def _measure(self, number: int, request: "_TextRequest", counted: TextStats, gauge: TextGauge) -> None:
        """Measure the prompt of a request that has its answer, if a thread is free, and record the request."""
        found = None
        try:
            found = await self._answers.beside(lambda: gauge.weigh(request.asked.prompt))
        except Exception:  # whatever a prompt does to a model, its answer is sent
            log.exception("a prompt could not be measured")
        counted.measured(found)
        rank = None if found is None else found.rank
        prompt = None if found is None or rank is None else PromptRecord(request.caller, rank, found.is_long)
        self._record(number, prompt)

    def _record(self, number: int, prompt: PromptRecord | None) -> None:
        """Record a request, unless it has been recorded."""
        if (answered := self._unrecorded.pop(number, None)) is not None:
            self._predictor.wrote(*answered, prompt=prompt)

    def _only_model(self) -> str:
        """Return the only live model of language, for a request that names none.

        Raises:
            NoLanguageModelError: None is live.
            BadRequestError: Several are.
            UnavailableError: This replica serves nothing.
        """
        self._predictor.table.require_served()
        models = self._predictor.table.read_models().values()
        live = [each.model for each in models if each.default is not None and each.default.scorer.text is not None]
        if not live:
            raise NoLanguageModelError
        if len(live) > 1:
            raise BadRequestError(f"{len(live)} models of language are live; name one in `model`: {', '.join(live)}.")
        return live[0]


def caller_number(caller: Caller, headers: Headers, user: str) -> int:
    """Return whose prompts are alike, as a number: those of one key, else of one token, else of this machine.

    Unlike the number by which a rollout routes, it is the same in every rollout and without one.
    """
    key = headers.get(b"x-bondx-key", b"").decode("latin-1") or user
    if caller.has_token and key:
        return request_number(f"key {key}")
    return request_number(f"token {caller.actor.token_id or caller.actor.name}" if caller.has_token else "no token")


async def _facts(gauge: TextGauge, prompt: str, written: Sequence[WrittenText]) -> TextFacts:
    """Judge the facts of what was written; whatever a text does to the grammar of a plug-in, its answer is sent."""
    try:
        return await asyncio.to_thread(gauge.facts, prompt, written)
    except Exception:
        log.exception("the facts of a text could not be judged")
        return TextFacts()


def counts_of(asked: CompletionRequest, written: Sequence[WrittenText], facts: TextFacts) -> TextCounts:
    """Count what a rollout judges; a text that its caller has cut off says nothing of the version that wrote it."""
    judged = [each for each in written if each.finish != LEFT] if asked.leaves_end_to_model else []
    return TextCounts(
        n_documents=len(judged),
        n_cut=sum(each.finish in _CUT for each in judged),
        n_judged=facts.n_agreeing + facts.n_contradicted,
        n_contradicted=facts.n_contradicted,
    )
