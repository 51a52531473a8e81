"""The client: one face over four dialects, patient, and with a breaker for every model."""

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from random import random
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from core.backoff import BackOff
from core.client.answers import Health, Metadata, Outcome, Prediction, VersionState, Which
from core.client.breaker import CircuitBreaker
from core.client.errors import RejectedError, TransientError
from core.client.http import Http
from core.client.json_rows import JsonRowsClient
from core.client.open_inference import OpenInferenceClient
from core.client.retry_policy import RetryPolicy, Seconds, Timeouts
from core.client.rows import RequestRows
from core.client.tf_rest import TfRest
from core.client.wire import Wire

T = TypeVar("T")

_OUTCOMES = "outcomes\0"  # their breaker; no model is called that


class ClientDialect(StrEnum):
    """What the server speaks."""

    ROWS = "rows"  # ours
    V2 = "v2"  # the Open Inference Protocol: MLServer, KServe, Triton
    TF_REST = "tf-rest"  # TensorFlow Serving
    TF_GRPC = "tf-grpc"  # the same, over gRPC; needs the extra `tf-serving`


class Client:
    """Asks a model server. Thread-safe; connections are kept and shared.

    Predictions change nothing on a server, so that a failed attempt is repeated, always under the same request id.
    """

    def __init__(
        self,
        url: str,
        dialect: ClientDialect | str = ClientDialect.ROWS,
        *,
        token: str | None = None,
        timeouts: Timeouts | None = None,
        back_off: BackOff | None = None,
        breaker: Callable[[], CircuitBreaker] | None = None,
        authority: Path | None = None,
        n_connections: int = 20,
        clock: Seconds = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        random_share: Callable[[], float] = random,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Make ready; nothing is asked yet.

        Args:
            url: `http://HOST:PORT`, `https://…`; for gRPC `grpc://HOST:PORT`, `grpcs://…`.
            dialect: What the server speaks; a gRPC URL says so by itself.
            token: Opens the server, if it wants one.
            timeouts: How long things may take.
            back_off: How often to try, and how long to wait in between.
            breaker: Makes the circuit breaker of a model.
            authority: File of the certificate authority of the server, if it is none of the well-known ones.
            n_connections: How many are open at most.
            clock: Seconds that only go forward.
            sleep: Waits.
            random_share: Draws from 0 to 1, for the waits.
            transport: What carries HTTP requests; None for the network.
        Raises:
            RejectedError: The URL is none, or the dialect is not known.
            ExtraMissingError: gRPC is wanted and not installed.
        """
        timeouts = timeouts or Timeouts()
        self.dialect = _chosen(url, dialect)
        if self.dialect is ClientDialect.TF_GRPC:
            from core.client.tf_grpc import TfGrpc

            self._wire: Wire = TfGrpc(url, timeouts, token=token, authority=authority, clock=clock)
        else:
            http = Http(
                url,
                timeouts,
                token=token,
                authority=authority,
                n_connections=n_connections,
                clock=clock,
                transport=transport,
            )
            self._wire = {
                ClientDialect.ROWS: JsonRowsClient,
                ClientDialect.V2: OpenInferenceClient,
                ClientDialect.TF_REST: TfRest,
            }[self.dialect](http)
        self._retry_policy = RetryPolicy(
            timeouts, back_off or BackOff(), clock=clock, sleep=sleep, random_share=random_share
        )
        self._make_breaker = breaker or partial(CircuitBreaker, clock=clock)
        self._breakers: dict[str, CircuitBreaker] = {}
        self._lock = threading.Lock()

    def predict(
        self,
        model: str,
        rows: Mapping[str, Any] | Iterable[Mapping[str, Any]] | Sequence[Sequence[float]] | Any,
        *,
        version: str | None = None,
        label: str | None = None,
        key: str | None = None,
        request_id: str | None = None,
    ) -> Prediction:
        """Ask for predictions.

        Args:
            model: Which model.
            rows: One row by field name, several, or a matrix of numbers where the dialect has one.
            version: Which version; None and no label lets the server choose.
            label: Which label, such as `production` or an alias.
            key: What the choice of version is to stick to while a rollout is under way, such as a customer's number.
            request_id: What to report outcomes by; made up if left out.
        Raises:
            RejectedError: The request is wrong; `field` names what is, if the server says.
            TransientError: The server has failed, and went on failing.
            CircuitOpenError: It has failed so often that it is left alone.
            NotAllowedError: It wants a token.
        """
        asked, named = RequestRows(rows), request_id or uuid.uuid4().hex
        which = _which(model, version, label)
        return self._ask(model, lambda deadline: self._wire.predict(which, asked, named, key, deadline))

    def metadata(self, model: str, *, version: str | None = None, label: str | None = None) -> Metadata:
        """Ask what a model reads and answers with.

        Raises:
            ClientError: As `predict`.
        """
        which = _which(model, version, label)
        return self._ask(model, lambda deadline: self._wire.metadata(which, deadline))

    def versions(self, model: str, *, version: str | None = None, label: str | None = None) -> list[VersionState]:
        """Ask where the versions of a model stand, or the one that is named.

        Raises:
            ClientError: As `predict`.
        """
        which = _which(model, version, label)
        return self._ask(model, lambda deadline: self._wire.versions(which, deadline))

    def health(self, model: str | None = None, *, version: str | None = None, label: str | None = None) -> Health:
        """Ask once, now, and past the breaker: does the server answer, and is it, or the model, ready?

        Never raises for a server that is down or failing: that is the answer.

        Raises:
            NotAllowedError: The server wants a token.
        """
        which = None if model is None else _which(model, version, label)
        try:
            return self._retry_policy.once(lambda deadline: self._wire.health(which, deadline))
        except TransientError as error:
            return Health(live=error.status is not None, ready=False, reasons=(str(error),))

    def report(self, outcomes: Outcome | Sequence[Outcome]) -> int:
        """Report what turned out to be true of predictions, by their request ids.

        Repeating a report is safe: of each prediction the first counts.

        Returns:
            How many were taken.
        Raises:
            NotSpokenError: The dialect has no outcomes.
            ClientError: As `predict`.
        """
        told = [outcomes] if isinstance(outcomes, Outcome) else list(outcomes)
        return self._ask(_OUTCOMES, lambda deadline: self._wire.report(told, deadline))

    def breaker(self, model: str) -> CircuitBreaker:
        """Return the breaker of a model."""
        with self._lock:
            found = self._breakers.get(model)
            if found is None:
                found = self._breakers[model] = self._make_breaker()
            return found

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, model: str, attempt: Callable[[float], T]) -> T:
        return self._retry_policy.until_answered(self.breaker(model), attempt)


def _chosen(url: str, dialect: ClientDialect | str) -> ClientDialect:
    if url.startswith(("grpc://", "grpcs://")):
        return ClientDialect.TF_GRPC
    try:
        return ClientDialect(dialect)
    except ValueError:
        choices = ", ".join(ClientDialect)
        raise RejectedError(f"{dialect!a} is no dialect; choose from {choices}.", field="dialect") from None


def _which(model: str, version: str | None, label: str | None) -> Which:
    if not model:
        raise RejectedError("Name a model.", field="model")
    if version is not None and label is not None:
        raise RejectedError("Name a version or a label, not both.", field="label")
    return Which(model, version, label)
