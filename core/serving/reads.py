"""What can be asked beside predictions: health, readiness, metrics, and who serves what, as each dialect has it."""

import asyncio
from collections.abc import Callable
from importlib.metadata import version as version_of
from typing import Any

import orjson

from core.errors import CoreError
from core.serving.access import Role
from core.serving.asgi import Scope, Send, send_json
from core.serving.authenticator import Authenticator
from core.serving.dialects import open_inference, refusal, tf_serving
from core.serving.errors import status_of
from core.serving.metrics import CONTENT_TYPE, Metrics
from core.serving.table import LoadedVersion, Served, ServingTable

Reply = tuple[int, Any]


class Reads:
    """Answers everything that only looks."""

    def __init__(self, gatekeeper: Authenticator, metrics: Metrics, table: Callable[[], ServingTable]) -> None:
        self._gatekeeper = gatekeeper
        self._metrics = metrics
        self._table = table

    async def health(self, scope: Scope, send: Send) -> None:
        """Say that the server runs; open to everybody, since probes carry no tokens."""
        await send_json(send, 200, b'{"status":"up","live":true}')

    async def ready(self, scope: Scope, send: Send) -> None:
        """Say whether every live version answers, and to those who may know, what keeps them from it."""
        troubles = self._table().troubles()
        content: dict[str, Any] = {"status": "not ready" if troubles else "ready", "ready": not troubles}
        try:
            self._gatekeeper.admit(dict(scope["headers"]), scope["client"], at_least=Role.VIEWER, is_read=True)
            content["reasons"] = troubles
        except CoreError:
            pass  # a load balancer's probe: yes or no is all it needs
        await send_json(send, 503 if troubles else 200, orjson.dumps(content))

    async def metrics(self, scope: Scope, send: Send) -> None:
        """Give the metrics in Prometheus' text format."""
        try:
            self._admit(scope)
        except CoreError as error:
            await send_json(send, status_of(error), refusal(error))
            return
        body = await asyncio.to_thread(self._metrics.text)
        fields = [(b"content-type", CONTENT_TYPE), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": body})

    async def describe(
        self, scope: Scope, send: Send, kind: str, model: str, version: str | None, label: str | None
    ) -> None:
        """Describe a model or a version.

        Args:
            scope: The request.
            send: Where to.
            kind: `tf_status`, `tf_metadata`, `v2_metadata` or `v2_ready`.
            model: Which model.
            version: Which version; None and no label: the one that answers by default.
            label: Which label.
        """
        try:
            self._admit(scope)
            served = self._table().model(model)
            if label is not None:
                version = served.labelled(label)
            elif version is not None:
                version = served.known(version)
            status, content = _DESCRIPTIONS[kind](served, version)
        except CoreError as error:
            await send_json(send, status_of(error), refusal(error))
            return
        await send_json(send, status, orjson.dumps(content))

    async def server(self, scope: Scope, send: Send) -> None:
        """Describe the server as the Open Inference Protocol has it."""
        content = {"name": "bondx", "version": version_of("bondx-console"), "extensions": ["null_values"]}
        await send_json(send, 200, orjson.dumps(content))

    def _admit(self, scope: Scope) -> None:
        self._gatekeeper.admit(dict(scope["headers"]), scope["client"], at_least=Role.VIEWER, is_read=True)


def _loaded(served: Served, version: str | None) -> LoadedVersion | None:
    """Return the version meant, if it is loaded.

    Raises:
        UnavailableError: The default is meant, and none answers.
    """
    return served.answering() if version is None else served.versions.get(version)


def _tf_status(served: Served, version: str | None) -> Reply:
    numbers = [version] if version is not None else [*served.versions, *served.failures]
    states = []
    for number in numbers:
        if number in served.versions:
            states.append(tf_serving.version_status(number, "AVAILABLE"))
        elif number in served.failures:
            states.append(tf_serving.version_status(number, "END", served.failures[number]))
        else:
            states.append(tf_serving.version_status(number, "END", "registered, loaded when asked"))
    return 200, {"model_version_status": states}


def _tf_metadata(served: Served, version: str | None) -> Reply:
    loaded = _loaded(served, version)
    if loaded is None:
        return _not_loaded(served, version)
    return 200, tf_serving.metadata(served.model, loaded.version, loaded.signature)


def _v2_metadata(served: Served, version: str | None) -> Reply:
    loaded = _loaded(served, version)
    if loaded is None:
        return _not_loaded(served, version)
    return 200, open_inference.metadata(served.model, list(served.versions), loaded.signature)


def _v2_ready(served: Served, version: str | None) -> Reply:
    is_ready = (served.default is not None) if version is None else version in served.versions
    return 200 if is_ready else 503, {"name": served.model, "ready": is_ready}


def _not_loaded(served: Served, version: str | None) -> Reply:
    sentence = f"{served.model} {version} is registered, but not loaded; a prediction by it loads it."
    return 503, {"error": sentence, "status": 503}


_DESCRIPTIONS = {
    "tf_status": _tf_status,
    "tf_metadata": _tf_metadata,
    "v2_metadata": _v2_metadata,
    "v2_ready": _v2_ready,
}
