"""The client: one interface over four dialects, with retries and a circuit breaker for every model."""

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
from core.client.answers import Health, Metadata, Outcome, Prediction, Reported, VersionState, Which
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

_OUTCOMES = "outcomes\0"  # key of the server's own breaker; no model has this name


class ClientDialect(StrEnum):
    """The dialect of the server."""

    ROWS = "rows"  # ours
    V2 = "v2"  # the Open Inference Protocol: MLServer, KServe, Triton
    TF_REST = "tf-rest"  # TensorFlow Serving
    TF_GRPC = "tf-grpc"  # the same, over gRPC; needs the extra `tf-serving`


class Client:
    """A client of a model server. Thread-safe; connections are kept open and shared.

    Predictions change nothing on a server, so a failed attempt is retried, always under the same request id.
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
        identity: tuple[Path, Path] | None = None,
        n_connections: int = 20,
        clock: Seconds = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        random_share: Callable[[], float] = random,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Prepare the client; no request is sent yet.

        Args:
            url: `http://HOST:PORT`, `https://…`; for gRPC `grpc://HOST:PORT`, `grpcs://…`.
            dialect: The dialect of the server; a gRPC URL implies its own.
            token: The API token, if the server requires one.
            timeouts: The time limits.
            back_off: The number of attempts, and the waits between them.
            breaker: Makes the circuit breaker of a model.
            authority: File of the server's certificate authority, if it is not a well-known one.
            identity: Files of the certificate and the key that this client shows, if the server asks for one.
            n_connections: The maximum number of open connections.
            clock: Seconds that only go forward.
            sleep: Waits.
            random_share: Draws from 0 to 1, for the waits.
            transport: What carries HTTP requests; None for the network.
        Raises:
            RejectedError: The URL is invalid, or the dialect is unknown.
            ExtraMissingError: gRPC is requested, but not installed.
        """
        timeouts = timeouts or Timeouts()
        self.dialect = _chosen(url, dialect)
        if self.dialect is ClientDialect.TF_GRPC:
            from core.client.tf_grpc import TfGrpc

            self._wire: Wire = TfGrpc(url, timeouts, token=token, authority=authority, identity=identity, clock=clock)
        else:
            http = Http(
                url,
                timeouts,
                token=token,
                authority=authority,
                identity=identity,
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
        """Request predictions.

        Args:
            model: The model.
            rows: One row by field name, several rows, or a matrix of numbers if the dialect supports one.
            version: The version; with neither version nor label, the server chooses.
            label: The label, such as `production` or an alias.
            key: During a rollout, requests with the same key, such as a customer's number, go to the same version.
            request_id: The id under which outcomes are reported; generated by default.
        Raises:
            RejectedError: The request is invalid; `field` names the field at fault, if the server does.
            TransientError: The server failed on every attempt.
            CircuitOpenError: Too many recent attempts failed, so no request was sent.
            NotAllowedError: The server requires a token.
        """
        asked, named = RequestRows(rows), request_id or uuid.uuid4().hex
        which = _which(model, version, label)
        return self._ask(model, lambda deadline: self._wire.predict(which, asked, named, key, deadline))

    def metadata(self, model: str, *, version: str | None = None, label: str | None = None) -> Metadata:
        """Request the inputs and outputs of a model.

        Raises:
            ClientError: As `predict`.
        """
        which = _which(model, version, label)
        return self._ask(model, lambda deadline: self._wire.metadata(which, deadline))

    def versions(self, model: str, *, version: str | None = None, label: str | None = None) -> list[VersionState]:
        """Request the states of all versions of a model, or of one version.

        Raises:
            ClientError: As `predict`.
        """
        which = _which(model, version, label)
        return self._ask(model, lambda deadline: self._wire.versions(which, deadline))

    def health(self, model: str | None = None, *, version: str | None = None, label: str | None = None) -> Health:
        """Check once, bypassing the breaker, whether the server answers and whether it, or the model, is ready.

        Never raises for a server that is down or failing: that is the answer.

        Raises:
            NotAllowedError: The server requires a token.
        """
        which = None if model is None else _which(model, version, label)
        try:
            return self._retry_policy.once(lambda deadline: self._wire.health(which, deadline))
        except TransientError as error:
            return Health(live=error.status is not None, ready=False, reasons=(str(error),))

    def report(self, outcomes: Outcome | Sequence[Outcome]) -> Reported:
        """Report outcomes of predictions, by their request ids.

        Repeating a report is safe: the first report of a prediction counts, and later ones are `n_repeated`.

        Returns:
            How many were accepted, and how many of these have found their prediction.
        Raises:
            RejectedError: An outcome is no finite number within the server's limit, or not a class of the model; none
                was stored.
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
        raise RejectedError(f"{dialect!a} is not a dialect; choose from {choices}.", field="dialect") from None


def _which(model: str, version: str | None, label: str | None) -> Which:
    if not model:
        raise RejectedError("Give the name of a model.", field="model")
    if version is not None and label is not None:
        raise RejectedError("Give a version or a label, not both.", field="label")
    return Which(model, version, label)
